"""From a clean rendered picture to one that a cheap camera could have taken, and any crop of it.

Geometry moves picture and depth together; everything else touches the picture only. All draws come from the generator
that is passed in, so a seed fixes the result.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Array = np.ndarray
Rng = np.random.Generator


def crop_resize(rgb: Array, inverse: Array, size_hw: tuple[int, int], rng: Rng) -> tuple[Array, Array]:
    """A random part of the picture at ``size_hw``, mirrored half the time.

    The part has 0.6 to 1 of the area, and up to 15 % of stretch. Depth is picked, not mixed, so edges stay clean.
    """
    height, width = rgb.shape[:2]
    aspect = size_hw[1] / size_hw[0] * np.exp(rng.uniform(-0.15, 0.15))
    area = rng.uniform(0.6, 1.0) * height * width
    crop_h = min(np.sqrt(area / aspect), height, width / aspect)
    crop_w = min(crop_h * aspect, width)
    top, left = rng.uniform(0, height - crop_h), rng.uniform(0, width - crop_w)
    rows = slice(int(top), max(int(top + crop_h), int(top) + 2))
    columns = slice(int(left), max(int(left + crop_w), int(left) + 2))
    shrinks = rows.stop - rows.start > size_hw[0]
    how = (
        cv2.INTER_AREA
        if shrinks and rng.random() < 0.6
        else (cv2.INTER_CUBIC if rng.random() < 0.5 else cv2.INTER_LINEAR)
    )
    rgb = cv2.resize(rgb[rows, columns], size_hw[::-1], interpolation=how)
    inverse = cv2.resize(inverse[rows, columns], size_hw[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    if rng.random() < 0.5:
        rgb, inverse = rgb[:, ::-1], inverse[:, ::-1]
    return rgb, inverse


def colour(rgb: Array, rng: Rng) -> Array:
    """Exposure, gamma, white balance, contrast and saturation; now and then grey, or with channels exchanged."""
    picture = rgb.astype(np.float32) / 255
    gains = np.exp(rng.normal(0, 0.12, 3) + rng.normal(0, 0.12)).astype(np.float32)
    picture = np.clip(picture * gains, 0, 1) ** np.float32(np.exp(rng.normal(0, 0.25)))
    grey = (picture @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]
    draw = rng.random()
    saturation = 0.0 if draw < 0.1 else rng.uniform(0.2, 1.6)
    picture = grey + (picture - grey) * np.float32(saturation)
    if draw > 0.97:
        picture = picture[..., rng.permutation(3)]
    middle = np.float32(grey.mean())
    picture = middle + (picture - middle) * np.float32(np.exp(rng.normal(0, 0.2)))
    return (np.clip(picture, 0, 1) * 255).astype(np.uint8)


def blur(rgb: Array, rng: Rng) -> Array:
    """Soft focus, shake, or the marks of being enlarged."""
    draw = rng.random()
    if draw < 0.6:
        return cv2.GaussianBlur(rgb, (0, 0), float(rng.uniform(0.3, 1.6)))
    if draw < 0.75:
        length = int(rng.integers(3, 7))
        kernel = np.zeros((length, length), np.float32)
        angle = rng.uniform(0, np.pi)
        reach = (length - 1) / 2
        for step in np.linspace(-reach, reach, 2 * length):
            kernel[round(reach + step * np.sin(angle)), round(reach + step * np.cos(angle))] += 1
        return cv2.filter2D(rgb, -1, kernel / kernel.sum())
    height, width = rgb.shape[:2]
    factor = rng.uniform(0.4, 0.9)
    small = cv2.resize(rgb, (int(width * factor), int(height * factor)), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def sharpen(rgb: Array, rng: Rng) -> Array:
    """The unsharp mask that cameras apply."""
    amount = float(rng.uniform(0.3, 1.2))
    return cv2.addWeighted(rgb, 1 + amount, cv2.GaussianBlur(rgb, (0, 0), float(rng.uniform(0.6, 1.5))), -amount, 0)


def noise(rgb: Array, rng: Rng) -> Array:
    """Sensor noise, fine or blotchy, in colour or grey."""
    height, width = rgb.shape[:2]
    channels = 3 if rng.random() < 0.6 else 1
    grain = rng.standard_normal((height, width, channels), dtype=np.float32) * np.float32(rng.uniform(2, 14))
    if rng.random() < 0.4:
        grain = cv2.GaussianBlur(grain, (0, 0), 0.8).reshape(height, width, channels) * 2
    return np.clip(rgb + grain, 0, 255).astype(np.uint8)


def jpeg(rgb: Array, rng: Rng) -> Array:
    """Compressed and back."""
    _, data = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 92))])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def vignette(rgb: Array, rng: Rng) -> Array:
    """Darker towards the corners."""
    height, width = rgb.shape[:2]
    y, x = np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    fall = 1 - np.float32(rng.uniform(0.1, 0.45)) * (x * x + y * y) / 2
    return (rgb * fall[..., None]).astype(np.uint8)


_STEPS: tuple[tuple[Callable[[Array, Rng], Array], float], ...] = (
    (colour, 0.6),
    (vignette, 0.1),
    (blur, 0.2),
    (sharpen, 0.15),
    (noise, 0.25),
    (jpeg, 0.25),
)


def augment(rgb: Array, inverse: Array, size_hw: tuple[int, int], rng: Rng) -> tuple[Array, Array]:
    """A training sample: uint8 (h, w, 3) and inverse depth (h, w) of the same kind as given."""
    rgb, inverse = crop_resize(rgb, inverse, size_hw, rng)
    for step, odds in _STEPS:
        if rng.random() < odds:
            rgb = step(np.ascontiguousarray(rgb), rng)
    return np.ascontiguousarray(rgb), np.ascontiguousarray(inverse)
