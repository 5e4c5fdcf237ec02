"""What can be said on the command line and in presets, and files that are none: folders, pipes, devices, the unreadable."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from fuzz import models
from fuzz.cases import Case, Expected, Groups
from fuzz.formats import mutate_json
from fuzz.models import DEPTH, INFO, NORMS, SIZE, companion, whole, writes
from fuzz.mutate import damage, pick
from fuzz.photos import encoded

PLAIN = ("depth", "m.onnx", "photo.png", "-o", "out", *SIZE)
VIEW = ("view", "m.onnx", "photo.png", "--render", "out/view.png", "--view", "fusion", "--presets", "presets", *SIZE)

# Scales, what comes of them in depth, what in the view, whose sliders go from -5 to 5.
SCALES: dict[str, tuple[Expected, Expected]] = {
    "1 1 1 1": ("works", "works"),
    "-1 0 0.5 2": ("works", "works"),
    "0 0 0 0": ("works", "works"),
    "-0.0 5 -5 1e-45": ("works", "works"),
    "1e-300 1 1 1": ("works", "works"),
    "100 -100 1e4 1": ("works", "refused"),
    "1e38 1 1 1": ("either", "refused"),
    "1e38 1e38 1e38 1e38": ("refused", "refused"),
    "1e39 1 1 1": ("refused", "refused"),
    "1e308 1 1 1": ("refused", "refused"),
    "1e999 1 1 1": ("refused", "refused"),
    "nan 1 1 1": ("refused", "refused"),
    "1 1 1 inf": ("refused", "refused"),
    "1 -inf 1 1": ("refused", "refused"),
    "1 1 1": ("refused", "refused"),
    "1 1 1 x": ("refused", "refused"),
    f"{'9' * 5000} 1 1 1": ("refused", "refused"),
    "1 1 1 \ud800": ("refused", "refused"),
}
WRONG = {
    "--size": ("0", "-14", "13", "15", "14.5", "nan", "1000000006", str(14 * 10**30), "9" * 5000),
    "--threads": ("0", "-1", "x", "1000000000", "9" * 30),
    "--provider": ("", "CUDA", "NobodysExecutionProvider", "\n"),
    "--format": ("", ",", "jpg", "png,exe", "\0"),
    "-o": ("m.onnx", "m.onnx/below", "/dev/null", "/proc/self/x", "x" * 300, "link"),
}
WRONG_IN_VIEW = {
    "--window": ("0x0", "1x1", "100000x100000", "-5x7", "nanxinf", "x", "", "1e3x1e3", f"{'9' * 5000}x800", "²x³"),
    "--block": ("-1", "4", "x", "9" * 5000),
    "--channel": ("-1", "64", str(10**12)),
    "--colours": ("", "nothing", "\x1b[2J"),
    "--scaling": ("", "linear"),
    "--render": ("out.jpg", "presets", "/nowhere/out.png", "presets/x/out.png"),
}
GOOD_PRESET = json.dumps({"dptscope_preset": 1, "fusion_scales": [1.0, 0.5, -1.0, 0.0]})
PRESETS: dict[str, str | bytes] = {
    "empty": "",
    "text": "hello",
    "no text": b"\xff\xfe\x00",
    "a list": "[1, 2, 3, 4]",
    "a number": "7",
    "deeply nested": "[" * 200_000,
    "three scales": '{"dptscope_preset": 1, "fusion_scales": [1, 1, 1]}',
    "five scales": '{"dptscope_preset": 1, "fusion_scales": [1, 1, 1, 1, 1]}',
    "no scales": '{"dptscope_preset": 1}',
    "scales of text": '{"dptscope_preset": 1, "fusion_scales": ["a", "b", "c", "d"]}',
    "scales as one text": '{"dptscope_preset": 1, "fusion_scales": "1111"}',
    "scales that are true": '{"dptscope_preset": 1, "fusion_scales": [true, 1, 1, 1]}',
    "scales of nothing": '{"dptscope_preset": 1, "fusion_scales": [null, 1, 1, 1]}',
    "NaN": '{"dptscope_preset": 1, "fusion_scales": [NaN, 1, 1, 1]}',
    "infinity": '{"dptscope_preset": 1, "fusion_scales": [1, -Infinity, 1, 1]}',
    "beyond the sliders": '{"dptscope_preset": 1, "fusion_scales": [1, 1, 5.001, 1]}',
    "400 digits": f'{{"dptscope_preset": 1, "fusion_scales": [{"9" * 400}, 1, 1, 1]}}',
    "5000 digits": f'{{"dptscope_preset": 1, "fusion_scales": [{"9" * 5000}, 1, 1, 1]}}',
    "another version": '{"dptscope_preset": 2, "fusion_scales": [1, 1, 1, 1]}',
    "a version of NaN": '{"dptscope_preset": NaN, "fusion_scales": [1, 1, 1, 1]}',
    "ten megabytes": GOOD_PRESET + " " * (10 << 20) + "x",
}


def _folder(folder: Path, preset: str | bytes = GOOD_PRESET, data: bytes | None = None) -> None:
    writes(whole() if data is None else data)(folder)
    (folder / "out").mkdir()
    (folder / "presets").mkdir()
    (folder / "link").symlink_to("link")
    (folder / "presets/p.json").write_bytes(preset if isinstance(preset, bytes) else preset.encode())


def good() -> list[Case]:
    """Every command as it should be said."""
    return [*models.good(), Case("good view", _folder, (*VIEW, "--preset", "presets/p.json"), "works")]


def _scales() -> Iterator[Case]:
    for scales, (in_depth, in_view) in SCALES.items():
        yield Case(f"scales: {scales[:40]!r}", _folder, (*PLAIN, "--scales", *scales.split()), in_depth)
        yield Case(f"scales in the view: {scales[:40]!r}", _folder, (*VIEW, "--scales", *scales.split()), in_view)


def _options() -> Iterator[Case]:
    for arguments, options in ((PLAIN, WRONG), (VIEW, WRONG_IN_VIEW)):
        for option, values in options.items():
            for value in values:
                yield Case(f"option: {option} {value[:40]!r}", _folder, (*arguments, option, value), "refused")


def _presets() -> Iterator[Case]:
    arguments = (*VIEW, "--preset", "presets/p.json")
    yield Case("preset: good", _folder, arguments, "works")
    for name, text in PRESETS.items():
        yield Case(f"preset: {name}", lambda folder, text=text: _folder(folder, text), arguments, "refused", "p.json")
    for name, path in {
        "none": "presets/x.json",
        "a folder": "presets",
        "a device": "/dev/zero",
        "a link": "link",
    }.items():
        yield Case(f"preset: {name}", _folder, (*VIEW, "--preset", path), "refused")


def _as(name: str, make: Callable[[Path], object]) -> Callable[[Path], None]:
    """A good folder with something else in the place of a file."""

    def into(folder: Path) -> None:
        _folder(folder)
        (folder / name).unlink(missing_ok=True)
        make(folder / name)

    return into


def _sparse(path: Path) -> None:
    """A terabyte that takes no room."""
    with path.open("wb") as file:
        file.truncate(1 << 40)


NO_FILES: dict[str, Callable[[Path], object]] = {
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "empty": Path.touch,
    "a terabyte of zeros": _sparse,
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to nothing": lambda path: path.symlink_to("nothing"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to a terminal": lambda path: path.symlink_to("/dev/tty"),
}


def _no_files() -> Iterator[Case]:
    for name, make in NO_FILES.items():
        for file, commands in {"photo.png": (DEPTH, VIEW), "m.onnx": (DEPTH, INFO), "presets/p.json": (VIEW,)}.items():
            for command in commands:
                arguments = (*VIEW, "--preset", "presets/p.json") if file == "presets/p.json" else command
                yield Case(f"no file: {file} is {name}, {command[0]}", _as(file, make), arguments, "refused")
        for file in ("m.fusion.onnx", "m.preview.onnx"):  # without them it works too
            yield Case(f"no file: {file} is {name}", _as(file, make), INFO, "either")


def _unreadable() -> Iterator[Case]:
    for name in ("photo.png", "m.onnx", "m.fusion.onnx"):
        make = _as(name, lambda path: (path.write_bytes(_content(path.name)), path.chmod(0)))
        yield Case(f"unreadable: {name}", make, DEPTH, "refused", name, bound=True)
    make = _as("presets/p.json", lambda path: (path.write_text(GOOD_PRESET), path.chmod(0)))
    yield Case("unreadable: a preset", make, (*VIEW, "--preset", "presets/p.json"), "refused", "p.json", bound=True)
    yield Case("unreadable: the folder to write to", _locked, NORMS, "refused", bound=True)


def _locked(folder: Path) -> None:
    _folder(folder)
    (folder / "out").chmod(0o500)


def _content(name: str) -> bytes:
    return {"photo.png": encoded("PNG"), "m.onnx": whole(), "m.fusion.onnx": companion()}[name]


GROUPS: Groups = {
    "scales": _scales,
    "options": _options,
    "presets": _presets,
    "no files": _no_files,
    "unreadable files": _unreadable,
}


def mutated(count: int, seed: int = 0) -> Iterator[Case]:
    """Seeded damage to presets, and random numbers for scales."""
    for number in range(count):
        random = np.random.default_rng((seed, 4, number))
        if number % 2:
            text = damage(GOOD_PRESET.encode(), random)
            if number % 4 == 1:
                text = json.dumps(mutate_json(json.loads(GOOD_PRESET), random)).encode()
            arguments: tuple[str, ...] = (*VIEW, "--preset", "presets/p.json")
        else:
            text = GOOD_PRESET.encode()
            powers = random.uniform(-50, 50, 4) * random.integers(0, 2, 4)
            scales = [f"{pick((-1.0, 1.0), random) * 10.0**power:g}" for power in powers]
            arguments = (*PLAIN, "--scales", *scales)
        yield Case(f"damaged settings {number}", lambda folder, text=text: _folder(folder, text), arguments)
