"""Which image sizes an export is for."""

from __future__ import annotations

from dptscope.errors import SizeError
from dptscope_export.families.base import ExportOptions, Sizes

Grid = tuple[int, int]

LARGEST_SIDE = 1 << 14  # pixels; attention over that many has never been trained, and would not fit any memory


def plan_sizes(
    options: ExportOptions,
    native: tuple[int, int],
    multiple: int,
    dynamic: bool,
    traced_grid: Grid,
    trial_grids: tuple[Grid, ...],
) -> Sizes:
    """Turn what the user wants into sizes.

    Args:
        options: what the user wants.
        native: height and width that the model was trained at.
        multiple: sides must be multiples of this.
        dynamic: whether the graph is to take any size.
        traced_grid: rows and columns, in multiples, of the example for tracing.
        trial_grids: rows and columns, in multiples, of the sizes to verify.

    Raises:
        SizeError: a fixed size that is no multiple, or both fixed and dynamic.
    """
    if options.fixed is not None:
        if options.dynamic:
            raise SizeError("expected either --fixed or --dynamic, got both")
        if any(side < multiple or side % multiple for side in options.fixed):
            height, width = options.fixed
            raise SizeError(f"expected --fixed sides that are multiples of {multiple}, got {height} × {width}")
        native = options.fixed
    if max(native) > LARGEST_SIDE:
        raise SizeError(f"expected sides of at most {LARGEST_SIDE} pixels, got {native[0]} × {native[1]}")
    if not dynamic:
        return Sizes(native=native, multiple=multiple, dynamic=False, trial=(), traced=native)
    return Sizes(
        native=native,
        multiple=multiple,
        dynamic=True,
        trial=tuple((rows * multiple, columns * multiple) for rows, columns in trial_grids),
        traced=(traced_grid[0] * multiple, traced_grid[1] * multiple),
    )
