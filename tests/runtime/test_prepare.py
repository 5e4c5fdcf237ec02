"""Photo to model input: the original projects' rules."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import dptscope
from dptscope import ImageError, ModelCard, Preparation, SizeError
from dptscope.prepare import check_image, check_input_shape, input_size, prepare_image
from dptscope.process.limits import least_bytes
from dptscope.resize import resize_bytes


@pytest.fixture(scope="module")
def card(tiny_model: Path) -> ModelCard:
    """The tiny model's card with Depth Anything's native size."""
    return replace(dptscope.load(tiny_model).card, native_size=(518, 518))


@pytest.mark.parametrize(
    ("photo", "expected"),
    [
        ((500, 741), (518, 770)),
        ((300, 600), (518, 1036)),
        ((2000, 1000), (1036, 518)),
        ((518, 518), (518, 518)),
        ((100, 333), (518, 1722)),
        ((519, 1000), (518, 994)),
        ((1, 1), (518, 518)),
    ],
)
def test_lower_bound(card: ModelCard, photo: tuple[int, int], expected: tuple[int, int]) -> None:
    assert input_size(card, photo) == expected


def test_size_and_square(card: ModelCard) -> None:
    assert input_size(card, (500, 741), size=252) == (252, 378)
    assert input_size(card, (500, 741), size=252, square=True) == (252, 252)
    assert input_size(card, (500, 741), square=True) == (518, 518)


@pytest.mark.parametrize(
    ("photo", "expected"),
    [((480, 640), (384, 512)), ((640, 480), (512, 384)), ((400, 500), (384, 480)), ((300, 1200), (384, 1536))],
)
def test_minimal(card: ModelCard, photo: tuple[int, int], expected: tuple[int, int]) -> None:
    """MiDaS: the factor nearer one, to multiples of 32."""
    rule = replace(card.preparation, resize_rule="minimal", multiple=32)
    assert input_size(replace(card, native_size=(384, 384), preparation=rule), photo) == expected


def test_exact(card: ModelCard) -> None:
    rule = replace(card.preparation, resize_rule="exact")
    assert input_size(replace(card, preparation=rule), (480, 640)) == (518, 518)


@pytest.fixture(scope="module")
def da3_card(card: ModelCard) -> ModelCard:
    """Depth Anything 3's way with a photo."""
    rule = replace(card.preparation, resize_rule="longest", interpolation="uint8_area_or_cubic")
    return replace(card, native_size=(504, 504), preparation=rule)


@pytest.mark.parametrize(("size", "side"), [(None, 448), (70, 70)])
def test_squared_in_bytes(card: ModelCard, photo_bgr: np.ndarray, size: int | None, side: int) -> None:
    """TIPSv2: any photo to a square, with antialiasing, its bytes from 0 to 1 without mean and deviation."""
    zero, one = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    rule = Preparation(zero, one, "exact", 14, "bilinear", interpolation="uint8_linear_antialiased")
    squared = replace(card, native_size=(448, 448), preparation=rule)
    got = prepare_image(squared, photo_bgr, size)
    assert (got.shape, got.dtype) == ((1, 3, side, side), np.float32)
    for channel in range(3):
        wanted = resize_bytes(photo_bgr[..., 2 - channel], (side, side)) / 255
        np.testing.assert_array_equal(got[0, channel], wanted.astype(np.float32))
        # Each place is about the mean of what it covers.
        covered = cv2.resize(photo_bgr[..., 2 - channel] / 255, (side, side), interpolation=cv2.INTER_AREA)
        assert np.abs(got[0, channel] - covered).mean() < 0.03


@pytest.mark.parametrize(
    ("photo", "size", "inside", "whole"),
    [
        ((480, 640), None, (480, 640), (490, 644)),
        ((71, 83), None, (71, 83), (84, 84)),
        ((70, 84), None, (70, 84), (70, 84)),
        ((100, 333), 168, (50, 168), (56, 168)),
        ((300, 100), 70, (70, 23), (70, 28)),
    ],
)
def test_in_a_frame_of_zeros(
    card: ModelCard, photo: tuple[int, int], size: int | None, inside: tuple[int, int], whole: tuple[int, int]
) -> None:
    """DINOv2's depthers: the photo's own size, normalised, in the middle of zeros, one more behind where they are odd."""
    image = np.random.default_rng(7).integers(0, 256, (*photo, 3), dtype=np.uint8)
    rule = replace(card.preparation, resize_rule="pad")
    padded = replace(card, preparation=rule)
    assert input_size(padded, photo, size) == whole
    rgb = cv2.resize(image[..., ::-1] / 255, inside[::-1], interpolation=cv2.INTER_CUBIC)
    expected = np.zeros((*whole, 3))
    top, left = (whole[0] - inside[0]) // 2, (whole[1] - inside[1]) // 2
    expected[top : top + inside[0], left : left + inside[1]] = (rgb - rule.mean) / rule.std
    got = prepare_image(padded, image, size)
    np.testing.assert_allclose(got[0].transpose(1, 2, 0), expected, atol=1e-5)
    for all_of_it in (replace(padded, dynamic=False), padded):  # a file for one size, or --square: no frame
        filled = prepare_image(all_of_it, image, square=all_of_it.dynamic)
        assert filled.shape == (1, 3, 518, 518) and not (filled[0, :, 0] == 0).all()


LONGEST = [  # photo; after the first step; after the second; interpolation of either, None where it changes nothing
    ((1200, 1600), (378, 504), (378, 504), cv2.INTER_AREA, None),
    ((500, 741), (340, 504), (336, 504), cv2.INTER_AREA, cv2.INTER_AREA),
    ((1000, 1460), (345, 504), (350, 504), cv2.INTER_AREA, cv2.INTER_CUBIC),
    ((343, 504), (343, 504), (350, 504), None, cv2.INTER_CUBIC),  # halfway between two multiples: up
    ((504, 300), (504, 300), (504, 294), None, cv2.INTER_AREA),
    ((150, 100), (504, 336), (504, 336), cv2.INTER_CUBIC, None),
    ((20, 3000), (3, 504), (14, 504), cv2.INTER_AREA, cv2.INTER_CUBIC),
    ((201, 288), (352, 504), (350, 504), cv2.INTER_CUBIC, cv2.INTER_AREA),
]


@pytest.mark.parametrize(("photo", "first", "second", "how", "then"), LONGEST)
def test_longest(
    da3_card: ModelCard, photo: tuple[int, int], first: tuple[int, int], second: tuple[int, int], how: int, then: int
) -> None:
    """The longer side to 504, then both to the nearest multiple of 14: in bytes, written out by hand."""
    image = np.random.default_rng(3).integers(0, 256, (*photo, 3), dtype=np.uint8)
    image[:, photo[1] // 2 :] //= 3
    assert input_size(da3_card, photo) == second
    rgb = image[..., ::-1].copy()
    for size, interpolation in ((first, how), (second, then)):
        if interpolation is not None:
            rgb = cv2.resize(rgb, size[::-1], interpolation=interpolation)
        assert rgb.shape[:2] == size
        assert rgb.dtype == np.uint8
    expected = (rgb / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    np.testing.assert_allclose(prepare_image(da3_card, image)[0], expected.transpose(2, 0, 1), rtol=0, atol=1e-6)


def test_longest_at_other_sizes(da3_card: ModelCard) -> None:
    assert input_size(da3_card, (1200, 1600), size=700) == (532, 700)  # 525, which is halfway, and goes up
    assert input_size(da3_card, (1200, 1600), size=252, square=True) == (252, 252)
    assert input_size(replace(da3_card, dynamic=False, native_size=(98, 126)), (1200, 1600)) == (98, 126)


@pytest.mark.parametrize("size", [500, 0, -14, 13, 519])
def test_a_size_that_is_no_multiple(card: ModelCard, size: int) -> None:
    with pytest.raises(SizeError, match=f"multiple of 14 .*got {size}"):
        input_size(card, (500, 741), size=size)


def test_fixed(card: ModelCard) -> None:
    fixed = replace(card, dynamic=False, native_size=(384, 384))
    assert input_size(fixed, (100, 900)) == (384, 384)
    with pytest.raises(SizeError, match="384 × 384 pixels only, got 512"):
        input_size(fixed, (100, 900), size=512)
    with pytest.raises(SizeError, match="384 × 384 pixels only, got 384 × 512"):
        check_input_shape(fixed, (1, 3, 384, 512))


@pytest.mark.parametrize("shape", [(3, 70, 70), (1, 1, 70, 70), (1, 3, 70, 71), (1, 3, 0, 70), (0, 3, 70, 70)])
def test_bad_input_shapes(card: ModelCard, shape: tuple[int, ...]) -> None:
    with pytest.raises(SizeError):
        check_input_shape(card, shape)


def test_values(card: ModelCard) -> None:
    """By hand, at a size where nothing is resized: RGB order, 0 … 1, mean and std."""
    image = np.zeros((518, 518, 3), np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = 10, 100, 200  # blue, green, red
    prepared = prepare_image(card, image)
    assert (prepared.shape, prepared.dtype) == ((1, 3, 518, 518), np.float32)
    expected = (np.array([200, 100, 10]) / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    np.testing.assert_allclose(prepared[0, :, 3, 5], expected, rtol=1e-6)


def test_cubic_overshoot_is_kept(card: ModelCard) -> None:
    """The originals resize floats and never clip: a hard edge overshoots white."""
    image = np.zeros((200, 200, 3), np.uint8)
    image[:, 100:] = 255
    prepared = prepare_image(card, image)
    white = (1 - 0.485) / 0.229
    assert prepared[0, 0].max() > white + 0.1
    reference = cv2.resize(image[..., 2] / 255.0, (518, 518), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_allclose(prepared[0, 0], (reference - 0.485) / 0.229, atol=1e-6)


@pytest.mark.parametrize("size", [252, 518, 1036])
def test_the_same_values_as_the_originals_to_the_bit(card: ModelCard, photo_bgr: np.ndarray, size: int) -> None:
    """Their lines: RGB in 0 … 1, resized, normalised, all in float64, then float32. Here channel by channel."""
    rgb_hw3 = cv2.cvtColor(photo_bgr, cv2.COLOR_BGR2RGB) / 255.0
    height, width = input_size(card, photo_bgr.shape[:2], size)
    wanted = cv2.resize(rgb_hw3, (width, height), interpolation=cv2.INTER_CUBIC)
    wanted = (wanted - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    before = photo_bgr.copy()
    found = prepare_image(card, photo_bgr, size)
    np.testing.assert_array_equal(found[0], wanted.transpose(2, 0, 1).astype(np.float32))
    assert found.flags.c_contiguous and (photo_bgr == before).all()


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        "photo.png",
    ],
)
def test_no_image(image: object) -> None:
    with pytest.raises(ImageError, match="expected an image"):
        check_image(image)  # type: ignore[arg-type]


def photo_and_memory(monkeypatch: pytest.MonkeyPatch, mebibytes: int, height: int, width: int) -> np.ndarray:
    monkeypatch.setattr("dptscope.process.limits.available_bytes", lambda: mebibytes << 20)
    return np.zeros((height, width, 3), np.uint8)


@pytest.mark.parametrize(("height", "width"), [(32, 1024), (1024, 32), (20, 2000), (300, 3000)])
@pytest.mark.parametrize("asked", [None, 1036])
def test_a_size_that_fits_is_offered(
    card: ModelCard, height: int, width: int, asked: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a photo that is long and narrow: the offered size is taken, and twice of it is not."""
    large = replace(card, attention_matrices=2)
    photo = photo_and_memory(monkeypatch, 100, height, width)
    with pytest.raises(SizeError, match=r"GiB of memory, got 0\.1 GiB free; --size \d+ fits, \d+ × \d+") as raised:
        prepare_image(large, photo, size=asked)
    match = re.search(r"--size (\d+) fits, (\d+) × (\d+)", str(raised.value))
    assert match is not None
    size, *shape = map(int, match.groups())
    assert size % 14 == 0
    assert prepare_image(large, photo, size=size).shape == (1, 3, *shape)
    with pytest.raises(SizeError):
        prepare_image(large, photo, size=2 * size)


def test_the_largest_size_that_fits_well(card: ModelCard, monkeypatch: pytest.MonkeyPatch) -> None:
    large = replace(card, attention_matrices=2)
    with pytest.raises(SizeError) as raised:
        prepare_image(large, photo_and_memory(monkeypatch, 100, 32, 1024))
    size = int(str(raised.value).split("--size ")[1].split()[0])
    half = 50 << 20
    assert least_bytes(large, input_size(large, (32, 1024), size)) <= half
    assert least_bytes(large, input_size(large, (32, 1024), size + 14)) > half


def test_when_only_a_square_fits(card: ModelCard, monkeypatch: pytest.MonkeyPatch) -> None:
    large = replace(card, attention_matrices=12)
    photo = photo_and_memory(monkeypatch, 400, 1, 40000)
    with pytest.raises(SizeError, match=r"free; --square fits, 518 × 518 without regard to the photo's aspect$"):
        prepare_image(large, photo)
    assert prepare_image(large, photo, square=True).shape == (1, 3, 518, 518)


def test_when_nothing_fits(card: ModelCard, monkeypatch: pytest.MonkeyPatch) -> None:
    large = replace(card, attention_matrices=12)
    photo = photo_and_memory(monkeypatch, 0, 50, 50)
    with pytest.raises(SizeError, match="no size of this photo fits: take a smaller model"):
        prepare_image(large, photo)
    fixed = replace(large, dynamic=False)
    with pytest.raises(SizeError, match="export the checkpoint for a smaller --fixed size"):
        prepare_image(fixed, photo)
