"""Where on the photo each place of a map lies, added to its channels (``depth_anything_3/model/utils/head_utils.py``)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

BASE = 100.0
FACTOR = 0.1


class UVEmbedding(nn.Module):
    """Sines and cosines of u in the first half of the channels, of v in the second.

    u and v are counted from the photo's centre in halves of its diagonal, at the centres of the map's places. Since u changes
    along the columns alone and v along the rows, the embedding is a row of columns and a column of rows, which broadcast.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.frequencies = [BASE ** (-index / (channels // 4)) for index in range(channels // 4)]

    def forward(self, map_bchw: Tensor) -> Tensor:
        grid_h, grid_w = map_bchw.shape[-2:]
        rows_h = torch.arange(grid_h, dtype=torch.float32)
        columns_w = torch.arange(grid_w, dtype=torch.float32)
        # The sizes as tensors, for a traced graph. The map has the photo's aspect.
        height, width = rows_h[-1] + 1, columns_w[-1] + 1
        diagonal = (width * width + height * height).sqrt()
        u_cw = self._waves((2 * columns_w + 1 - width) / diagonal)
        v_ch = self._waves((2 * rows_h + 1 - height) / diagonal)
        columns_c1w = torch.cat([u_cw, torch.zeros_like(u_cw)])[:, None, :]
        rows_ch1 = torch.cat([torch.zeros_like(v_ch), v_ch])[:, :, None]
        return map_bchw + columns_c1w + rows_ch1

    def _waves(self, places_n: Tensor) -> Tensor:
        """``[channels / 2, places]``."""
        angles_fn = torch.tensor(self.frequencies)[:, None] * places_n
        return FACTOR * torch.cat([angles_fn.sin(), angles_fn.cos()])
