"""Our resampling against PyTorch's, in numpy for the runtime and as matrices for the graphs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dptscope.resize import resize_depth
from dptscope_export.models.dinov2 import GRID_OFFSET, PositionEmbedding
from dptscope_export.models.resample import linear_weights

MODES = {
    "bilinear_align_corners": {"mode": "bilinear", "align_corners": True},
    "bilinear": {"mode": "bilinear", "align_corners": False},
    "bicubic": {"mode": "bicubic", "align_corners": False},
}


@pytest.mark.parametrize("how", MODES)
@pytest.mark.parametrize("size", [(500, 741), (1080, 1920), (97, 61), (518, 518)])
def test_depth_to_the_photo(how: str, size: tuple[int, int]) -> None:
    depth = torch.rand(518, 770, generator=torch.Generator().manual_seed(0)) * 30
    wanted = F.interpolate(depth[None, None], size=size, **MODES[how])[0, 0].numpy()  # type: ignore[arg-type]
    got = resize_depth(depth.numpy(), size, how)  # type: ignore[arg-type]
    # PyTorch has its sampling positions in float32: on white noise, where neighbours differ most, that much shows.
    np.testing.assert_allclose(got, wanted, atol=30 * 1e-4)
    assert np.abs(got - wanted).mean() < 30 * 1e-5


@pytest.mark.parametrize("grid", [(37, 37), (37, 38), (20, 55), (1, 1), (74, 3), (100, 100)])
def test_position_embedding(grid: tuple[int, int]) -> None:
    position = PositionEmbedding(37, 16)
    torch.nn.init.normal_(position.table, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        cls, patches = position(*grid)
    table = position.table.detach()
    assert torch.equal(cls, table[:, :1])
    if grid == (37, 37):
        assert torch.equal(patches, table[:, 1:])
        return
    square = table[:, 1:].reshape(1, 37, 37, -1).permute(0, 3, 1, 2)
    factors = ((grid[0] + GRID_OFFSET) / 37, (grid[1] + GRID_OFFSET) / 37)
    wanted = F.interpolate(square, scale_factor=factors, mode="bicubic").permute(0, 2, 3, 1).flatten(1, 2)
    torch.testing.assert_close(patches, wanted, rtol=0, atol=1e-4)
    without_offset = F.interpolate(square, size=grid, mode="bicubic").permute(0, 2, 3, 1).flatten(1, 2)
    assert (wanted - without_offset).abs().max() > 0.01, "the offset must be told apart"


@pytest.mark.parametrize("sizes", [(27, 39), (39, 27), (5, 1), (1, 5), (7, 7)])
def test_linear_weights(sizes: tuple[int, int]) -> None:
    source, target = sizes
    values = torch.rand(source, generator=torch.Generator().manual_seed(2))
    positions = (torch.arange(target, dtype=torch.float32) + 0.5) * (source / target) - 0.5
    wanted = F.interpolate(values[None, None], size=target, mode="linear", align_corners=False)[0, 0]
    torch.testing.assert_close(linear_weights(positions, source) @ values, wanted)
