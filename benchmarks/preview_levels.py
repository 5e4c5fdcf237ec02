"""How close the preview is to the full picture, level by level.

    python benchmarks/preview_levels.py MODEL.onnx CHECKPOINT PHOTO... [--size 518]

An export holds the preview of one level; here all are made in torch, from the checkpoint that the model was exported from.
Only trained weights say something: random ones make rough maps, which no coarse grid can hold. "In the viewer" is with the
fine structure of the last full picture, here that of the unmodified model, as the viewer adds it.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

import dptscope
from benchmarks.compare.speed import psnr
from dptscope.arrays import Float32Array
from dptscope.files.photos import read_image
from dptscope.prepare import prepare_image
from dptscope.scales import UNSCALED
from dptscope_export.checkpoints.read import read_checkpoint
from dptscope_export.families import ExportOptions, recognise
from dptscope_export.models.dpt import DPT
from dptscope_export.models.preview import LEVELS, Preview
from dptscope_export.pipeline import build
from dptscope_view.detail import Detail

FACTORS = (0.9, 0.5, 0.0, 2.0)
"""Where one slider at a time is moved to, from 1."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--size", type=int, help="of the input, in place of the native one")
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    card = dptscope.load(options.model).card
    checkpoint = read_checkpoint(options.checkpoint)
    model = build(checkpoint, recognise(checkpoint, ExportOptions()))
    previews = {level: Preview(model, level).eval() for level in LEVELS}
    found: dict[tuple[int, float], list[tuple[float, float]]] = {}
    for photo in options.photos:
        image = torch.from_numpy(prepare_image(card, read_image(photo), options.size))
        fusion_inputs = model.features(image).fusion_inputs

        def depth(decoder: DPT | Preview, scales: tuple[float, ...] = UNSCALED, maps=fusion_inputs) -> Float32Array:
            return decoder.depth(maps, tuple(torch.tensor([scale]) for scale in scales))[0].numpy()

        details = {level: Detail(depth(model), depth(preview)) for level, preview in previews.items()}
        for block, factor in itertools.product(range(4), FACTORS):
            scales = tuple(factor if number == block else 1.0 for number in range(4))
            full_hw = depth(model, scales)
            for level, preview in previews.items():
                coarse_hw = depth(preview, scales)
                both = psnr(coarse_hw, full_hw), psnr(details[level].added_to(coarse_hw), full_hw)
                found.setdefault((level, factor), []).append(both)
    table = Table("level", "slider at", "preview, dB", "worst", "in the viewer, dB", "worst")
    for (level, factor), pairs in sorted(found.items()):
        columns = [f"{judge(side):.1f}" for side in zip(*pairs, strict=True) for judge in (statistics.median, min)]
        table.add_row(str(level), str(factor), *columns)
    Console().print(table)


if __name__ == "__main__":
    main()
