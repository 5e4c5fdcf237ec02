"""Interpolation written as a small matrix, so that resampling a grid is two matrix products.

A resize of a table along one axis is linear in the table: ``out = weights @ table``. For the tables that a vision
transformer resizes at every new image size (position embeddings, relative-position biases) this is much faster on a CPU
than a general resize operator, and it is plain arithmetic on the size, so it traces with a dynamic size.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Cubic convolution (Keys 1981) with the coefficient that PyTorch and OpenCV use.
CUBIC_COEFFICIENT = -0.75


def cubic_weights(positions_o: Tensor, size: int) -> Tensor:
    """Weights of cubic convolution, borders repeated, no antialiasing.

    Args:
        positions_o: where each output sample lies on the input axis: 0 is the centre of the first input sample. No further
            outside than half a sample.
        size: number of input samples.

    Returns:
        ``[output, size]``; every row sums to one.
    """
    a = CUBIC_COEFFICIENT
    distance_op = _distances(positions_o, size, reach=2)
    near_op = ((a + 2) * distance_op - (a + 3)) * distance_op * distance_op + 1
    far_op = ((a * distance_op - 5 * a) * distance_op + 8 * a) * distance_op - 4 * a
    return torch.where(distance_op <= 1, near_op, far_op) @ _repeat_border(positions_o, size, reach=2)


def linear_weights(positions_o: Tensor, size: int) -> Tensor:
    """Weights of linear interpolation, borders repeated. Arguments and result as in :func:`cubic_weights`."""
    return (1 - _distances(positions_o, size, reach=1)) @ _repeat_border(positions_o, size, reach=1)


def antialiased_linear_weights(outputs: Tensor, size: int) -> Tensor:
    """Weights of linear interpolation with antialiasing, half-pixel centres, samples beyond the border left out.

    Args:
        outputs: ``[output]``, 0, 1, … as floating point.
        size: number of input samples.

    Returns:
        ``[output, size]``; every row sums to one; the identity where there are as many outputs as inputs.
    """
    factor = size / (outputs[-1] + 1)
    centre_o = (outputs + 0.5) * factor - 0.5
    index_p = torch.arange(size, dtype=outputs.dtype, device=outputs.device)
    weight_op = (1 - (centre_o[:, None] - index_p).abs() / factor.clamp(min=1)).clamp(min=0)
    return weight_op / weight_op.sum(dim=1, keepdim=True)


def _distances(positions_o: Tensor, size: int, reach: int) -> Tensor:
    """``[output, size + 2 * reach]``: how far each sample of the axis with a border lies, at most ``reach``."""
    index_p = torch.arange(-reach, size + reach, dtype=positions_o.dtype, device=positions_o.device)
    return (positions_o[:, None] - index_p).abs().clamp(max=reach)


def _repeat_border(like: Tensor, size: int, reach: int) -> Tensor:
    """``[size + 2 * reach, size]``: adds what falls on the border to the outermost samples. A constant in a trace."""
    inside_p = torch.arange(-reach, size + reach).clamp(0, size - 1)
    return (inside_p[:, None] == torch.arange(size)).to(like)
