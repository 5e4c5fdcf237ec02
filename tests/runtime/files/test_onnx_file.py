"""Model files are looked at before onnxruntime sees them."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

import dptscope
from dptscope import ModelFileError
from dptscope.files.onnx_file import check_structure, weights_digest


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def field(number: int, content: bytes | str | int) -> bytes:
    """One protobuf field."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    data = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(data)) + data


def tensor(shape: list[int], raw: bytes, *more: bytes) -> bytes:
    return b"".join(field(1, side) for side in shape) + field(2, 1) + (field(9, raw) if raw else b"") + b"".join(more)


def external(location: str, offset: int = 0, length: int = 8) -> bytes:
    entries = {"location": location, "offset": str(offset), "length": str(length)}
    pairs = b"".join(field(13, field(1, key) + field(2, value)) for key, value in entries.items())
    return tensor([2], b"", pairs, field(14, 1))


def with_initializer(content: bytes) -> bytes:
    return field(7, field(5, content))


def in_attribute(content: bytes) -> bytes:
    """The tensor of a Constant inside the graph of an attribute inside a function."""
    constant = field(1, field(4, "Constant") + field(5, field(5, content)))
    return field(25, field(7, field(4, "Call") + field(5, field(6, constant)))) + field(7, b"")


def refusal(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(ModelFileError) as raised:
        check_structure(path)
    return str(raised.value)


def test_good_files_pass(tiny_model: Path, tmp_path: Path) -> None:
    for path in (tiny_model, tiny_model.with_name("tiny.fusion.onnx")):
        check_structure(path)
    (tmp_path / "m.onnx").write_bytes(with_initializer(external("m.onnx.data")))
    (tmp_path / "m.onnx.data").write_bytes(bytes(8))
    check_structure(tmp_path / "m.onnx")


@pytest.mark.parametrize("place", [with_initializer, in_attribute])
def test_weights_elsewhere(tmp_path: Path, place: object) -> None:
    assert callable(place)
    path = tmp_path / "m.onnx"
    for location in ("../m.onnx.data", "/dev/zero", "m.onnx", "", "m.onnx.data/../x"):
        assert "or in m.onnx.data beside it" in refusal(path, place(external(location)))
    assert "no such file" in refusal(path, place(external("m.onnx.data")))
    (tmp_path / "m.onnx.data").write_bytes(bytes(8))
    assert "inside m.onnx.data (8 bytes)" in refusal(path, place(external("m.onnx.data", 4)))
    assert "inside m.onnx.data" in refusal(path, place(external("m.onnx.data", -4)))
    (tmp_path / "m.onnx.data").unlink()
    (tmp_path / "m.onnx.data").symlink_to("/dev/zero")
    assert "a link to somewhere else" in refusal(path, place(external("m.onnx.data")))


def test_shapes_that_claim_more_than_there_is(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    floats = struct.pack("<2f", 1, 2)
    assert "needs 4611686018427387904 bytes, got 8" in refusal(path, with_initializer(tensor([1 << 30] * 2, floats)))
    assert "shapes of whole numbers" in refusal(path, with_initializer(tensor([(1 << 64) - 1], floats)))
    assert "claims the shape [1000000]" in refusal(path, with_initializer(tensor([1_000_000], b"")))


def test_control_flow(tmp_path: Path) -> None:
    for operator in ("Loop", "If", "SequenceMap"):
        text = refusal(tmp_path / "m.onnx", field(7, field(1, field(4, operator))))
        assert f"which has no {operator}" in text


def test_bytes_that_are_no_message(tmp_path: Path, tiny_model: Path) -> None:
    nested = b""
    for _ in range(2000):
        nested = field(1, field(5, field(6, nested)))
    good = tiny_model.read_bytes()
    for data in (b"\xff" * 100, b"\x3a\xff\xff\xff\xff\x07abc", field(7, nested), good[:-7], b"\x0b" * 50, b"hello"):
        assert "expected an ONNX model" in refusal(tmp_path / "m.onnx", data)


def test_a_model_is_checked_when_it_is_loaded(tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(tiny_model.read_bytes() + with_initializer(external("/dev/zero")))
    with pytest.raises(ModelFileError, match=r"or in m\.onnx\.data beside it"):
        dptscope.load(tmp_path / "m.onnx")


def floats(*values: float, kind: str = "f") -> bytes:
    return struct.pack(f"<{len(values)}{kind}", *values)


UNSOUND = {
    "NaN": tensor([2], floats(1, math.nan)),
    "minus infinity": tensor([2], floats(-math.inf, 0)),
    "squares that overflow": tensor([1], floats(-1e38)),
    "far inside": tensor([300_000], floats(*[0.5] * 299_999, math.inf)),
    "value by value": field(1, 2) + field(2, 1) + field(4, floats(1, math.inf)),
    "half": field(1, 1) + field(2, 10) + field(9, floats(math.nan, kind="e")),
    "double": field(1, 1) + field(2, 11) + field(9, floats(1e300, kind="d")),
}


@pytest.mark.parametrize("kind", UNSOUND)
@pytest.mark.parametrize("wrap", [with_initializer, in_attribute])
def test_weights_that_nothing_can_compute_with(kind: str, wrap: Callable[[bytes], bytes], tmp_path: Path) -> None:
    named = UNSOUND[kind] + field(8, "head/bias")
    assert "expected finite weights" in (said := refusal(tmp_path / "m.onnx", wrap(named)))
    assert said.endswith("in head/bias")


def test_weights_beside_the_model_that_nothing_can_compute_with(tmp_path: Path) -> None:
    data = with_initializer(external("m.onnx.data", 3))
    (tmp_path / "m.onnx.data").write_bytes(b"..." + floats(1, 2))
    (tmp_path / "m.onnx").write_bytes(data)
    check_structure(tmp_path / "m.onnx")
    (tmp_path / "m.onnx.data").write_bytes(b"..." + floats(1, math.inf))
    assert "expected finite weights" in refusal(tmp_path / "m.onnx", data)
    (tmp_path / "m.onnx.data").write_bytes(b"")
    assert "got an empty file" in refusal(tmp_path / "m.onnx", data)


def test_large_whole_numbers_and_large_weights_pass(tmp_path: Path) -> None:
    whole = field(1, 1) + field(2, 7) + field(9, struct.pack("<q", -1))  # as floating point it would be NaN
    for content in (whole, tensor([2], floats(1e15, -1e15))):
        (tmp_path / "m.onnx").write_bytes(with_initializer(content))
        check_structure(tmp_path / "m.onnx")


@pytest.mark.parametrize("lowest", [-3.4028235e38, -math.inf])
def test_what_hides_tokens_from_attention_passes(lowest: float, tmp_path: Path) -> None:
    """torch's own export has such a number, which is no weight, in a mask."""
    (tmp_path / "m.onnx").write_bytes(with_initializer(tensor([], floats(lowest))))
    check_structure(tmp_path / "m.onnx")


@pytest.mark.parametrize("number", [math.nan, math.inf, 3.4028235e38, -1e30])
def test_other_numbers_without_axes(number: float, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(with_initializer(tensor([], floats(number))))
    with pytest.raises(ModelFileError, match="expected finite weights"):
        check_structure(tmp_path / "m.onnx")


def packed(*numbers: int) -> bytes:
    return b"".join(varint(number & (1 << 64) - 1) for number in numbers)


# The same numbers as a tool may have written them: as bytes in memory, or one by one in the field of their type.
SAME_NUMBERS = {
    "float": (floats(1, -2), field(2, 1), field(9, floats(1, -2)), field(4, floats(1, -2))),
    "double": (floats(1, -2, kind="d"), field(2, 11), field(9, floats(1, -2, kind="d")), field(10, floats(1, -2, kind="d"))),
    "int64": (floats(7, -1, kind="q"), field(2, 7), field(9, floats(7, -1, kind="q")), field(7, packed(7, -1))),
    "uint64": (floats(7, 1, kind="Q"), field(2, 13), field(9, floats(7, 1, kind="Q")), field(11, packed(7, 1))),
    "int32": (floats(7, -1, kind="i"), field(2, 6), field(9, floats(7, -1, kind="i")), field(5, packed(7, -1))),
    "uint8": (b"\x07\xff", field(2, 2), field(9, b"\x07\xff"), field(5, packed(7, 255))),
    "half": (floats(1, -2, kind="e"), field(2, 10), field(9, floats(1, -2, kind="e")), field(5, packed(0x3C00, 0xC000))),
}  # fmt: skip


@pytest.mark.parametrize("kind", SAME_NUMBERS)
def test_the_digest_is_of_numbers_and_not_of_how_they_are_written(kind: str, tmp_path: Path) -> None:
    numbers, data_type, *ways = SAME_NUMBERS[kind]
    wanted = hashlib.sha256(b"a\0" + floats(3) + b"b\0" + numbers).hexdigest()
    one = field(5, field(1, 1) + field(2, 1) + field(8, "a") + field(9, floats(3)))
    for way in ways:
        other = field(5, field(1, 2) + data_type + field(8, "b") + way)
        for content in (one + other, other + one):
            (tmp_path / "m.onnx").write_bytes(field(7, content))
            assert weights_digest(tmp_path / "m.onnx") == wanted


def test_the_digest_of_weights_beside_the_model(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(with_initializer(external("m.onnx.data", 3) + field(8, "b")))
    (tmp_path / "m.onnx.data").write_bytes(b"..." + floats(1, -2))
    assert weights_digest(tmp_path / "m.onnx") == hashlib.sha256(b"b\0" + floats(1, -2)).hexdigest()
    (tmp_path / "m.onnx.data").write_bytes(b"..." + floats(1, 2))
    assert weights_digest(tmp_path / "m.onnx") == hashlib.sha256(b"b\0" + floats(1, 2)).hexdigest()


def test_raw_numbers_win_over_those_of_a_type(tmp_path: Path) -> None:
    """As onnxruntime has it: finite ones in front of infinite ones hide nothing."""
    for fields in ((9, 4), (4, 9)):
        parts = {9: field(9, floats(1, math.inf)), 4: field(4, floats(1, 2))}
        content = field(1, 2) + field(2, 1) + b"".join(parts[number] for number in fields)
        assert "expected finite weights" in refusal(tmp_path / "m.onnx", with_initializer(content))
