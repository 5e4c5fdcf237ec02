"""From a distance up to a factor to metres, by the focal length of the camera, of models that are metric in this way."""

from __future__ import annotations

import math

from dptscope.card import ModelCard
from dptscope.errors import DptscopeError

_LARGEST_FOCAL = 1e6  # pixels
_FILM_DIAGONAL = math.hypot(36, 24)  # mm; what "35 mm equivalent" is measured by


def focal_of_view(fov: float, width: int) -> float:
    """Focal length in pixels of a photo with ``width`` pixels that spans ``fov`` degrees from its left to its right edge.

    Raises:
        DptscopeError: no angle of view.
    """
    if not 0.1 <= fov <= 179:  # NaN neither
        raise DptscopeError(f"expected a horizontal field of view from 0.1 to 179 degrees, got {fov:g}")
    return width / 2 / math.tan(math.radians(fov) / 2)


def view_of_film(millimetres: float, photo_hw: tuple[int, int]) -> float:
    """Degrees from left to right of a photo whose camera says its focal length as on 35 mm film: by the diagonal."""
    focal = millimetres / _FILM_DIAGONAL * math.hypot(*photo_hw)
    return math.degrees(2 * math.atan(photo_hw[1] / 2 / focal))


def metres_a_unit(
    card: ModelCard, photo_width: int, input_width: int, focal: float | None = None, fov: float | None = None
) -> float | None:
    """What a model's depth is multiplied with to be in metres; None where neither focal length nor field of view is given.

    Args:
        card: the model's card.
        photo_width: pixels of the photo.
        input_width: pixels at which the model sees it: the focal length shrinks with the photo.
        focal: focal length in pixels of the photo.
        fov: horizontal field of view of the photo in degrees, in place of the focal length.

    Raises:
        DptscopeError: a model whose depth no focal length makes metres of, both, or a number that cannot be.
    """
    if focal is None and fov is None:
        return None
    if card.canonical_focal is None:
        needs = "needs no focal length" if card.depth_kind == "metric" else "has no metres, whatever the focal length"
        raise DptscopeError(
            f"expected a model whose metres depend on the focal length, got {card.variant}, which {needs}"
        )
    if focal is not None and fov is not None:
        raise DptscopeError(f"expected a focal length or a field of view, got both: {focal:g} pixels, {fov:g} degrees")
    if fov is not None:
        focal = focal_of_view(fov, photo_width)
    assert focal is not None
    if not 1 <= focal <= _LARGEST_FOCAL:  # NaN neither
        raise DptscopeError(f"expected a focal length from 1 to {_LARGEST_FOCAL:g} pixels of the photo, got {focal:g}")
    return focal * (input_width / photo_width) / card.canonical_focal
