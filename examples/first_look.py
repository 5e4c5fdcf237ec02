"""The main job from beginning to end, without a download.

Writes a ViT-S checkpoint with seeded random weights in the layout of the published files, exports it, and looks at a real
photo: depth, depth with the second fusion block switched off, and the norms of every block's tokens. Random weights give no
sensible depth; put your own checkpoint and photo in to see one.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import torch
import typer

from dptscope.commands.app import run
from dptscope_export.families.depth_anything_keys import original_keys
from dptscope_export.models.depth_anything import DepthAnything, DepthAnythingConfig
from dptscope_export.models.dinov2 import DinoV2Config

VITS = DepthAnythingConfig(
    encoder=DinoV2Config(width=384, blocks=12, mlp_width=1536),
    taps=(2, 5, 8, 11),
    stage_channels=(48, 96, 192, 384),
    fusion_channels=64,
    middle_channels=32,
    head_channels=32,
)


def seeded_checkpoint(config: DepthAnythingConfig, seed: int = 0) -> dict[str, torch.Tensor]:
    """Every tensor of the published layout, filled so that signals neither die nor explode on their way through."""
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        model = DepthAnything(config)
    keys = original_keys(config.encoder.blocks, config.encoder.swiglu)
    tensors = {}
    for ours, parameter in model.state_dict().items():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.ndim >= 2 and not ours.endswith(("table", "token")):
            value = noise * (1.4 / math.sqrt(noise[0].numel()))
        elif ours.endswith("bias"):
            value = 0.2 * noise + (2.0 if ours == "head.conv3.bias" else 0.0)
        else:
            value = (1.0 if ours.endswith("weight") else 0.4) + 0.2 * noise
        (name,) = keys.source(ours).names
        tensors[name] = value
    return tensors


def main(
    photo: Annotated[Path | None, typer.Argument(help="A photo; scikit-image's motorcycle by default.")] = None,
    folder: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")] = Path("out"),
) -> None:
    """Export seeded random weights and look at a photo with them."""
    if photo is None:
        import skimage

        photo = Path(skimage.__file__).parent / "data" / "motorcycle_left.png"
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint, model = folder / "depth_anything_v2_vits.pth", folder / "depth_anything_v2_vits.onnx"
    torch.save(seeded_checkpoint(VITS), checkpoint)
    for arguments in (
        ["export", str(checkpoint), "-o", str(model)],
        ["info", str(model)],
        ["depth", str(model), str(photo), "-o", str(folder / "plain")],
        ["depth", str(model), str(photo), "-o", str(folder / "block_2_off"), "--scales", "1", "0", "1", "1"],
        ["norms", str(model), str(photo), "-o", str(folder)],
    ):
        typer.echo(f"\n$ dptscope {' '.join(arguments)}")
        status = run(arguments)
        if status:
            raise typer.Exit(status)


if __name__ == "__main__":
    typer.run(main)
