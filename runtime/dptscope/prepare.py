"""Photo to model input, with the original projects' own rules, so that the depth equals theirs.

The rules follow ``depth_anything_v2/util/transform.py`` and MiDaS ``midas/transforms.py`` (the same class in both),
``depth_anything_3/utils/io/input_processor.py``, and what TIPSv2's authors publish beside their model: PIL's resize.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dptscope.arrays import Float32Array, UInt8Array
from dptscope.card import ModelCard, Preparation
from dptscope.errors import ImageError, SizeError
from dptscope.opencv import cv2
from dptscope.process.limits import check_memory, least_bytes
from dptscope.resize import resize_bytes

_ROOM = 2  # times what a run needs at least, for a size that is offered: it should work, and not just barely


def check_image(image_bgr: NDArray[Any]) -> UInt8Array:
    """Return the image if it is one.

    Args:
        image_bgr: as OpenCV reads it: uint8 ``[height, width, 3]``, blue first.

    Raises:
        ImageError: any other dtype or shape.
    """
    if not isinstance(image_bgr, np.ndarray):
        raise ImageError(f"expected an image as uint8 array (height, width, 3), got {type(image_bgr).__name__}")
    if image_bgr.dtype != np.uint8 or image_bgr.ndim != 3 or image_bgr.shape[2] != 3 or 0 in image_bgr.shape:
        raise ImageError(f"expected an image as uint8 (height, width, 3), got {image_bgr.dtype} {image_bgr.shape}")
    return image_bgr


def input_size(
    card: ModelCard, photo_hw: tuple[int, int], size: int | None = None, square: bool = False
) -> tuple[int, int]:
    """Height and width at which the model sees a photo.

    Args:
        card: the model's card.
        photo_hw: the photo's height and width in pixels.
        size: what to use in place of the native size; a multiple of ``card.size_multiple``.
        square: ignore the aspect: both sides are the size.

    Raises:
        SizeError: the model does not take that size.
    """
    if size is not None:
        _check_size(card, size)
    if not card.dynamic:
        return card.native_size
    native_h, native_w = (size, size) if size is not None else card.native_size
    if square or card.preparation.resize_rule == "exact":
        return native_h, native_w
    if card.preparation.resize_rule == "pad":
        multiple = card.preparation.multiple
        height, width = (math.ceil(side / multiple) * multiple for side in _within_zeros(photo_hw, size))
        return height, width
    return _aspect_size(photo_hw, (native_h, native_w), card.preparation)


def _within_zeros(photo_hw: tuple[int, int], size: int | None) -> tuple[int, int]:
    """The size of a photo that zeros are put around: its own, or with the longer side as asked for."""
    return photo_hw if size is None else _longest(photo_hw, size)


def _check_size(card: ModelCard, size: int) -> None:
    if not card.dynamic:
        if (size, size) != card.native_size:
            height, width = card.native_size
            raise SizeError(f"this file was exported for {height} × {width} pixels only, got {size}")
        return
    multiple = card.size_multiple
    if size < multiple or size % multiple:
        below = max(size // multiple, 1) * multiple
        raise SizeError(
            f"expected a size that is a multiple of {multiple} (such as {below} or {below + multiple}), got {size}"
        )


def check_input_shape(card: ModelCard, shape: tuple[int, ...]) -> None:
    """Check the shape of a prepared input ``[batch, 3, height, width]`` before onnxruntime sees it.

    Raises:
        SizeError: the graph does not take it.
    """
    if len(shape) != 4 or shape[1] != 3 or shape[0] < 1:
        raise SizeError(f"expected an input of shape (batch, 3, height, width), got {shape}")
    if not card.dynamic and shape[2:] != card.native_size:
        height, width = card.native_size
        raise SizeError(f"this file was exported for {height} × {width} pixels only, got {shape[2]} × {shape[3]}")
    multiple = card.size_multiple
    if shape[2] % multiple or shape[3] % multiple or 0 in shape:
        raise SizeError(f"expected sides that are multiples of {multiple} pixels, got {shape[2]} × {shape[3]}")
    check_memory(card, (shape[2], shape[3]), batch=shape[0])


def _aspect_size(photo_hw: tuple[int, int], native_hw: tuple[int, int], rule: Preparation) -> tuple[int, int]:
    if rule.resize_rule == "longest":
        height, width = _longest(photo_hw, max(native_hw))
        return _nearest_multiple(height, rule.multiple), _nearest_multiple(width, rule.multiple)
    height, width = photo_hw
    scale_h, scale_w = native_hw[0] / height, native_hw[1] / width
    if rule.resize_rule == "lower_bound":
        scale = max(scale_h, scale_w)
        smallest_h, smallest_w = native_hw
    else:
        # "minimal": the factor that changes the photo less
        scale = scale_w if abs(1 - scale_w) < abs(1 - scale_h) else scale_h
        smallest_h = smallest_w = rule.multiple
    return (
        _to_multiple(scale * height, rule.multiple, smallest_h),
        _to_multiple(scale * width, rule.multiple, smallest_w),
    )


def _to_multiple(length: float, multiple: int, smallest: int) -> int:
    """Round to a multiple (half to even, as numpy does), up where that would fall below the smallest."""
    rounded = int(np.round(length / multiple)) * multiple
    return rounded if rounded >= smallest else math.ceil(length / multiple) * multiple


def _longest(photo_hw: tuple[int, int], longest: int) -> tuple[int, int]:
    """Sides of a photo whose longer one becomes ``longest``: rounded half to even, no less than a pixel."""
    factor = longest / max(photo_hw)
    height, width = (max(1, round(side * factor)) for side in photo_hw)
    return height, width


def _nearest_multiple(length: int, multiple: int) -> int:
    """The nearest multiple, up where two are; at least one (the original gives a pixel there, which no patch fits in)."""
    return max((length + multiple // 2) // multiple, 1) * multiple


def _resized_channels(
    image_bgr: UInt8Array, size_hw: tuple[int, int], rule: Preparation
) -> Iterator[NDArray[np.float64]]:
    """Red, green and blue of the photo at a size, in 0 … 1. They come in the same array one after the other, for memory that
    is fresh from the operating system costs more than the arithmetic."""
    if rule.interpolation == "uint8_area_or_cubic":
        image_bgr = _resized_bytes(image_bgr, size_hw)
    values_hw, resized_hw = np.empty(image_bgr.shape[:2]), np.empty(size_hw)
    for channel in (2, 1, 0):
        if rule.interpolation == "uint8_linear_antialiased":
            yield np.divide(resize_bytes(image_bgr[..., channel], size_hw), 255.0, out=resized_hw)
            continue
        np.divide(image_bgr[..., channel], 255.0, out=values_hw)
        if rule.interpolation == "cubic":
            # The originals resize in float64 and leave the overshoot of the cubic kernel alone, so neither is clipped here.
            # In float32 Intel's library may take over, which places its samples more exactly: other values by 1e-4.
            yield np.asarray(cv2.resize(values_hw, size_hw[::-1], dst=resized_hw, interpolation=cv2.INTER_CUBIC))
        else:
            yield values_hw


def _resized_bytes(image_hw3: UInt8Array, size_hw: tuple[int, int]) -> UInt8Array:
    """The photo at a size in bytes, rounded after each of two steps: the longer side first, then the multiples. A step that
    changes nothing is none."""
    for height, width in (_longest((image_hw3.shape[0], image_hw3.shape[1]), max(size_hw)), size_hw):
        if image_hw3.shape[:2] != (height, width):
            grows = height > image_hw3.shape[0] or width > image_hw3.shape[1]
            how = cv2.INTER_CUBIC if grows else cv2.INTER_AREA
            image_hw3 = np.asarray(cv2.resize(image_hw3, (width, height), interpolation=how), dtype=np.uint8)
    return image_hw3


_LARGEST_OFFER = 1 << 24  # of multiples: no photo is that large, and no index has to hold what somebody typed


def _size_that_fits(card: ModelCard, photo_hw: tuple[int, int], size: int | None, square: bool, there: int) -> str:
    """Say at which size a photo fits into so many bytes. A long and narrow one becomes huge where its shorter side is held to
    the model's size: 32 × 1024 pixels become 518 × 16576."""

    def fits(side: int, square: bool = square) -> bool:
        return _ROOM * least_bytes(card, input_size(card, photo_hw, side, square)) <= there

    if not card.dynamic:
        return "export the checkpoint for a smaller --fixed size"
    multiple, asked = card.size_multiple, size or max(card.native_size)
    fitting = (
        bisect_left(
            range(1, min(asked // multiple, _LARGEST_OFFER)), True, key=lambda count: not fits(count * multiple)
        )
        * multiple
    )
    offers = []
    if fitting:
        height, width = input_size(card, photo_hw, fitting, square)
        offers.append(f"--size {fitting} fits, {height} × {width}")
    if not square and fits(asked, square=True):
        offers.append(f"--square fits, {asked} × {asked} without regard to the photo's aspect")
    return "; ".join(offers) or "no size of this photo fits: take a smaller model, or a part of the photo"


def prepare_image(
    card: ModelCard, image_bgr: UInt8Array, size: int | None = None, square: bool = False
) -> Float32Array:
    """Resize and normalise a photo.

    Args:
        card: the model's card.
        image_bgr: uint8 ``[height, width, 3]``, blue first.
        size: see :func:`input_size`.
        square: see :func:`input_size`.

    Returns:
        float32 ``[1, 3, height, width]``, RGB, normalised.

    Raises:
        ImageError: no image.
        SizeError: the model does not take that size.
    """
    check_image(image_bgr)
    photo_hw = image_bgr.shape[0], image_bgr.shape[1]
    height, width = input_size(card, photo_hw, size, square)
    check_memory(card, (height, width), way_out=lambda there: _size_that_fits(card, photo_hw, size, square, there))
    rule = card.preparation
    input_bchw = np.zeros((1, 3, height, width), dtype=np.float32)
    inside_hw = height, width
    if rule.resize_rule == "pad" and card.dynamic and not square:
        inside_hw = _within_zeros(photo_hw, size)
    top, left = (height - inside_hw[0]) // 2, (width - inside_hw[1]) // 2  # where they are odd, one more is behind
    planes_chw = input_bchw[0, :, top : top + inside_hw[0], left : left + inside_hw[1]]
    channels = _resized_channels(image_bgr, inside_hw, rule)
    for plane_hw, values_hw, mean, std in zip(planes_chw, channels, rule.mean, rule.std, strict=True):
        values_hw -= mean
        np.divide(values_hw, std, out=plane_hw, casting="same_kind")
    return input_bchw
