"""What a graph's own inputs and outputs say, where a tool has changed them and left the metadata: the graph wins, or the
difference is said in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import dptscope
from dptscope import ModelFileError, SizeError
from dptscope.commands import app as cli


def fixed(data: bytes, **sizes: int) -> bytes:
    """Give named axes a number, as onnxruntime.tools.make_dynamic_shape_fixed does; in as many bytes as the name had."""
    for name, size in sizes.items():
        axis = b"\x12" + bytes([len(name)]) + name.encode()  # dim_param
        assert axis in data
        rest = len(name) - 3
        value = bytes([0x08, size & 127 | 128, size >> 7, 0x1A, rest]) + bytes(rest)  # dim_value, and a denotation
        data = data.replace(axis, value)
    return data


def renamed(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data and len(old) == len(new)
    return data.replace(old, new)


@pytest.fixture
def rgb() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)


@pytest.mark.parametrize("batch", [{}, {"batch": 1}])
@pytest.mark.parametrize("size", [(140, 98), (70, 70), (14, 210)])
def test_a_size_that_was_fixed_afterwards_is_the_only_one(
    size: tuple[int, int], batch: dict[str, int], tiny_model: Path, tmp_path: Path, rgb: np.ndarray
) -> None:
    height, width = size
    for suffix in (".onnx", ".fusion.onnx"):
        data = tiny_model.with_name(f"tiny{suffix}").read_bytes()
        (tmp_path / f"m{suffix}").write_bytes(
            fixed(data, height=height, width=width, **batch) if suffix == ".onnx" else data
        )
    model, whole = dptscope.load(tmp_path / "m.onnx"), dptscope.load(tiny_model)
    assert (model.card.dynamic, model.card.native_size) == (False, size)
    assert model.card.flops == (whole.card.flops if size == whole.card.native_size else None)
    found = model.predict(rgb)
    assert (found.raw.shape, found.depth.shape) == (size, (120, 160))
    image = np.random.default_rng(0).normal(size=(1, 3, *size)).astype(np.float32)
    wanted = whole.run(image, ["depth"])["depth"]
    np.testing.assert_allclose(model.run(image, ["depth"])["depth"], wanted, rtol=0, atol=1e-4 * wanted.std())
    assert [norms.shape for norms in model.block_norms(rgb)] == [(height // 14, width // 14)] * 4
    assert model.prepare(rgb).depth((1, 0.5, 1, 1)).shape == (120, 160)
    with pytest.raises(SizeError, match=f"exported for {height} × {width} pixels only"):
        model.predict(rgb, size=112)
    with pytest.raises(SizeError, match=f"exported for {height} × {width} pixels only"):
        model.run(np.zeros((1, 3, 56, 56), np.float32), ["depth"])


def test_info_says_the_graphs_size(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.onnx").write_bytes(fixed(tiny_model.read_bytes(), height=140, width=98))
    assert cli.run(["info", str(tmp_path / "m.onnx")]) == 0
    said = capsys.readouterr().out
    assert "140 × 98 only" in said and "any multiple" not in said
    assert cli.run(["info", str(tmp_path / "m.onnx"), "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert (described["dynamic"], described["native_size"], described["grids"]) == (False, [140, 98], [[10, 7]] * 4)


def test_a_batch_of_one(tiny_model: Path, tmp_path: Path, rgb: np.ndarray) -> None:
    """Sizes stay free; more photos at once are refused with what the graph takes."""
    (tmp_path / "m.onnx").write_bytes(fixed(tiny_model.read_bytes(), batch=1))
    model = dptscope.load(tmp_path / "m.onnx")
    assert model.card == dptscope.load(tiny_model).card
    assert model.predict(rgb, size=98, square=True).raw.shape == (98, 98)
    with pytest.raises(SizeError, match=r"m\.onnx: expected image of 1 × 3 × height × width, got 2 × 3 × 70 × 70"):
        model.run(np.zeros((2, 3, 70, 70), np.float32), ["depth"])


REFUSED = {
    "a batch of two": ({"batch": 2}, "1 photo at a time, or of any number, got a batch fixed to 2"),
    "height alone": (
        {"height": 140},
        "both free, or both fixed to multiples of 14, got 140 × width; fix both, or neither",
    ),
    "width alone": ({"width": 98}, "both free, or both fixed to multiples of 14, got height × 98"),
    "no multiple": ({"height": 100, "width": 98}, "both fixed to multiples of 14, got 100 × 98"),
    "no multiple, alone": ({"width": 100}, "both fixed to multiples of 14, got height × 100"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_sizes_that_cannot_be_served(kind: str, tiny_model: Path, tmp_path: Path) -> None:
    sizes, wanted = REFUSED[kind]
    (tmp_path / "m.onnx").write_bytes(fixed(tiny_model.read_bytes(), **sizes))
    with pytest.raises(ModelFileError) as raised:
        dptscope.load(tmp_path / "m.onnx")
    assert wanted in str(raised.value)


@pytest.mark.parametrize(
    ("file", "axis", "size"), [(".fusion.onnx", "fusion_2_height", 3), (".preview.onnx", "fusion_4_width", 5)]
)
def test_a_companion_that_was_fixed_to_another_size(
    file: str, axis: str, size: int, tiny_model: Path, tmp_path: Path, rgb: np.ndarray
) -> None:
    for suffix in (".onnx", ".fusion.onnx", ".preview.onnx"):
        data = tiny_model.with_name(f"tiny{suffix}").read_bytes()
        (tmp_path / f"m{suffix}").write_bytes(fixed(data, **{axis: size}) if suffix == file else data)
    scene = dptscope.load(tmp_path / "m.onnx").prepare(rgb)
    ask = scene.raw_depth if file == ".fusion.onnx" else scene.preview_depth
    with pytest.raises(SizeError, match=f"expected fusion_input_{axis[7]} of .* {size}.*, got 1 × "):
        ask((1.0, 0.5, 1.0, 1.0))


def test_one_scaling_at_a_time(tiny_model: Path, tmp_path: Path, rgb: np.ndarray) -> None:
    (tmp_path / "m.onnx").write_bytes(tiny_model.read_bytes())
    (tmp_path / "m.fusion.onnx").write_bytes(fixed(tiny_model.with_name("tiny.fusion.onnx").read_bytes(), scales=1))
    model = dptscope.load(tmp_path / "m.onnx")
    image = np.zeros((1, 3, 70, 70), np.float32)
    maps = list(model.run(image, [f"fusion_input_{k}" for k in (1, 2, 3, 4)]).values())
    assert model.fuse(maps, (1, 0.5, 1, 1)).shape == (1, 70, 70)
    with pytest.raises(SizeError, match="expected fusion_scale_1 of 1, got 2"):
        model.fuse(maps, np.ones((2, 4), np.float32))


RENAMED = {
    "the image": (b"image", b"photo", "expected the inputs image, got photo"),
    "an output": (b"block_02_tokens", b"block_02_tokenz", "expected the output block_02_tokens, which is not there"),
    "a scale": (b"fusion_scale_3", b"fusion_scala_3", "expected the input fusion_scale_3, which is not there"),
    "an axis": (
        b"\x12\x06height",
        b"\x12\x06hoogte",
        "batch × 3 × height × width, got tensor(float) of batch × 3 × hoogte",
    ),
    "the metadata": (b"dptscope.", b"dptskope.", "or one whose metadata a tool has left out"),
}


@pytest.mark.parametrize("what", RENAMED)
def test_what_has_another_name(what: str, tiny_model: Path, tmp_path: Path) -> None:
    old, new, wanted = RENAMED[what]
    (tmp_path / "m.onnx").write_bytes(renamed(tiny_model.read_bytes(), old, new))
    with pytest.raises(ModelFileError) as raised:
        dptscope.load(tmp_path / "m.onnx")
    assert wanted in str(raised.value)
