"""The preview: a coarse decoder that shows what the full one would."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.nn import Conv2d

import dptscope
from dptscope.commands.demo import CHECKPOINT
from dptscope_export.checkpoints.read import read_checkpoint
from dptscope_export.families import ExportOptions, recognise
from dptscope_export.models.preview import LARGEST_FLOPS, Preview, choose_level, coarse_kernel
from dptscope_export.pipeline import build


@pytest.mark.parametrize("factor", [1.0, 2.0, 7.0])
def test_coarse_kernel_reads_the_same_places(factor: float) -> None:
    """On a map that is linear everywhere, the fine kernel at the coarse samples' places and the coarse one agree."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(4, 2, 3, 3, generator=generator, dtype=torch.float64)
    slopes = torch.randn(2, 2, generator=generator, dtype=torch.float64)

    def plane(step: float, size: int) -> torch.Tensor:
        rows = torch.arange(size, dtype=torch.float64)[:, None] * step
        columns = torch.arange(size, dtype=torch.float64)[None] * step
        return torch.stack([slopes[c, 0] * rows + slopes[c, 1] * columns + c for c in range(2)])[None]

    stride = int(factor)
    fine = F.conv2d(plane(1.0, 8 * stride + 1), weight, padding=1)[:, :, ::stride, ::stride]
    coarse = F.conv2d(plane(factor, 9), coarse_kernel(weight, factor), padding=1)
    torch.testing.assert_close(coarse[:, :, 1:-1, 1:-1], fine[:, :, 1:-1, 1:-1])


def test_kernels_of_one_sample() -> None:
    """At level 3 the finest block and the head read one sample; far from the borders of even maps nothing changes."""
    checkpoint = read_checkpoint(CHECKPOINT)
    model = build(checkpoint, recognise(checkpoint, ExportOptions()))
    preview = Preview(model, 3)
    kernels = {
        name: tuple(module.kernel_size) for name, module in preview.named_modules() if isinstance(module, Conv2d)
    }
    pointed = {name for name in kernels if "block_1.residual_unit" in name or name in ("head.conv1", "head.conv2")}
    assert len(pointed) == 4 and {kernels[name] for name in pointed} == {(1, 1)}
    assert kernels["fusion.block_2.residual_unit.conv1"] == (3, 3)

    generator = torch.Generator().manual_seed(2)
    channels = preview.fusion.get_submodule("block_1").out_conv.out_channels
    even = torch.randn(1, channels, 1, 1, generator=generator)
    maps = tuple(even.expand(-1, -1, 256 // 2**k, 256 // 2**k) for k in range(4))
    scales = tuple(torch.tensor([scale]) for scale in (1.0, 0.5, 1.5, 1.0))
    with torch.no_grad():
        full_hw, coarse_hw = model.depth(maps, scales)[0], preview.depth(maps, scales)[0]
    middle = full_hw[full_hw.shape[0] // 2, full_hw.shape[1] // 2]
    assert middle > 0
    torch.testing.assert_close(coarse_hw[32, 32], middle, rtol=1e-4, atol=0)


def test_level_fits_the_budget() -> None:
    maps = (148.0**2, 74.0**2, 37.0**2, 19.0**2)
    assert choose_level(32, maps) == 1
    assert choose_level(64, maps) == 2
    assert choose_level(256, maps) == 3
    assert choose_level(4096, maps) == 3  # the coarsest, whatever it costs
    assert 36 * 64**2 * (2 * maps[1] + maps[2] + maps[3]) <= LARGEST_FLOPS


def test_preview_resembles_the_full_picture(v2_hugging_face: Any, photo_bgr: Any) -> None:
    model = dptscope.load(v2_hugging_face.exported.model)
    assert model.has_preview
    scene = model.prepare(photo_bgr, size=280)
    for scales in ((1.0, 1.0, 1.0, 1.0), (1.0, 0.5, 1.0, 1.0), (1.0, 1.0, -1.0, 2.0)):
        full_hw = scene.raw_depth(scales)
        coarse_hw = scene.preview_depth(scales)
        assert coarse_hw.shape[0] < full_hw.shape[0]
        enlarged = F.interpolate(
            torch.from_numpy(coarse_hw)[None, None], size=full_hw.shape, mode="bilinear", align_corners=True
        )
        error = (enlarged[0, 0].numpy() - full_hw) / np.ptp(full_hw)
        assert -10 * np.log10(np.square(error).mean()) > 25  # decibels; random weights are rougher than trained ones


def test_many_scalings_at_once(v2_hugging_face: Any) -> None:
    model = dptscope.load(v2_hugging_face.exported.model)
    image = np.random.default_rng(0).normal(size=(1, 3, 70, 98)).astype(np.float32)
    names = [f"fusion_input_{k}" for k in (1, 2, 3, 4)]
    found = model.run(image, names)
    maps = [found[name] for name in names]
    settings = np.array([[1, 1, 1, 1], [0.5, 1, 2, 1]], dtype=np.float32)
    both = model.preview(maps, settings)
    for setting, depth in zip(settings, both, strict=True):
        alone = model.preview(maps, tuple(float(s) for s in setting))[0]
        np.testing.assert_allclose(depth, alone, atol=1e-5 * np.ptp(alone))
