"""The subcommand, as far as it needs no screen."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from dptscope import DptscopeError
from dptscope.commands.app import run
from dptscope_view.app import window_size
from dptscope_view.photos import photos_to_view
from dptscope_view.presets import default_folder, read_preset


def test_render_draws_each_view_without_a_screen(tiny_model: Path, photo_path: Path, tmp_path: Path) -> None:
    pictures = {}
    for name, options in {
        "norms": [],
        "block": ["--block", "0", "--scaling", "plain"],
        "channel": ["--channel", "5", "--colours", "turbo"],
        "photo": ["--show", "photo"],
        "similarity": ["--show", "similarity", "--token", "20", "30"],
        "to another": ["--show", "similarity", "--token", "200", "300"],
        "attention": ["--show", "attention", "--token", "20", "30"],
        "fusion": ["--view", "fusion"],
        "scaled": ["--view", "fusion", "--scales", "1", "0.2", "-1", "1", "--high-contrast", "--reverse"],
        "larger": ["--view", "fusion", "--size", "140", "--square"],
    }.items():
        out = tmp_path / f"{name}.png"
        assert (
            run(["view", str(tiny_model), str(photo_path), "--window", "900x600", "--render", str(out), *options]) == 0
        )
        pictures[name] = cv2.imread(str(out))
        assert pictures[name].shape == (600, 900, 3)
    assert len({picture.tobytes() for picture in pictures.values()}) == len(pictures)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--window", "big"], "1280x800"),
        (["--window", "100x100"], "640x480"),
        (["--window", "9" * 5000 + "x800"], "1280x800"),
        (["--block", "99"], "0 to 3"),
        (["--channel", "64"], "0 to 63"),
        (["--token", "9999", "0"], "y below"),
        (["--token", "0", "-1"], "got 0 -1"),
        (["--colours", "rainbow"], "inferno"),
        (["--scaling", "cubic"], "'plain', 'shared', 'log', 'robust'"),
        (["--view", "both"], "'norms', 'fusion'"),
        (["--show", "depth"], "'photo', 'norm', 'channel'"),
        (["--size", "100"], "multiple of 14"),
        (["--scales", "1", "1", "1", "9"], "-5 to 5"),
        (["--preset", "nowhere.json"], "nowhere.json"),
        (["--preset", "nowhere.json", "--scales", "1", "1", "1", "1"], "both"),
        (["--render", "out.jpg"], ".png"),
    ],
)
def test_mistakes_are_one_line(
    tiny_model: Path,
    photo_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    render = [] if "--render" in options else ["--render", "out.png"]
    assert run(["view", str(tiny_model), str(photo_path), *render, *options]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and words in lines[0]
    assert not list(tmp_path.glob("out.*"))


def test_presets_begin_with_their_scales(tiny_model: Path, photo_path: Path, tmp_path: Path) -> None:
    preset = tmp_path / "soft.json"
    preset.write_text('{"dptscope_preset": 1, "fusion_scales": [1.0, 0.2, -1.0, 1.0]}')
    base = ["view", str(tiny_model), str(photo_path), "--view", "fusion", "--render"]
    assert run([*base, str(tmp_path / "a.png"), "--preset", str(preset)]) == 0
    assert run([*base, str(tmp_path / "b.png"), "--scales", "1", "0.2", "-1", "1"]) == 0
    first, second = (cv2.imread(str(tmp_path / name)) for name in ("a.png", "b.png"))
    body = np.s_[:560]  # below are the milliseconds
    assert (first[body] == second[body]).all()


SCALES_OF = '{"dptscope_preset": 1, "fusion_scales": '


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[" * 60_000,
        '{"dptscope_preset": 2, "fusion_scales": [1, 1, 1, 1]}',
        SCALES_OF + "[9]}",
        SCALES_OF + '"1111"}',
        SCALES_OF + "[true, 1, 1, 1]}",
        SCALES_OF + "[NaN, 1, 1, 1]}",
        SCALES_OF + f"[1{'0' * 400}, 1, 1, 1]}}",
        SCALES_OF + "[1, 1, 1, 1]}" + " " * (1 << 16),
    ],
    ids=lambda text: text[:50],
)
def test_what_is_no_preset(text: str, tmp_path: Path) -> None:
    preset = tmp_path / "p.json"
    preset.write_text(text)
    with pytest.raises(DptscopeError, match=r"p\.json: expected"):
        read_preset(preset)


def test_a_preset_that_is_a_pipe_or_a_device_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.json")
    for path in (tmp_path / "p.json", tmp_path, Path("/dev/zero")):
        with pytest.raises(DptscopeError, match="expected a preset, got no such file"):
            read_preset(path)


def test_help_shows_the_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["view", "--help"]) == 0
    shown = capsys.readouterr().out
    for words in ("norms or fusion", "[          previous channel", "Mouse:"):
        assert words in shown


@pytest.mark.parametrize("display", [None, ":4242"])
def test_no_screen_is_one_line_and_no_abort(tiny_model: Path, photo_path: Path, display: str | None) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    if display is not None:
        environment["DISPLAY"] = display
    command = [sys.executable, "-m", "dptscope", "view", str(tiny_model), str(photo_path)]
    start = time.monotonic()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1 and "--render" in done.stderr
    assert time.monotonic() - start < 30


def test_a_photo_that_was_named_must_be_readable(tiny_model: Path, tmp_path: Path) -> None:
    """Said in the terminal, as --render does; no window opens."""
    photo = tmp_path / "empty.png"
    photo.write_bytes(b"")
    command = [sys.executable, "-m", "dptscope", "view", str(tiny_model), str(photo)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    assert f"{photo}: expected a photo" in done.stderr


def test_photos_come_as_people_sort_them_and_one_among_its_neighbours(photo_path: Path, tmp_path: Path) -> None:
    names = ["Img3.png", "img1.png", "img2.png", "img10.png", "img10b.png", "x.png"]
    for name in names:
        (tmp_path / name).write_bytes(photo_path.read_bytes())
    sorted_names = ["img1.png", "img2.png", "Img3.png", "img10.png", "img10b.png", "x.png"]
    found, first = photos_to_view(tmp_path, neighbours=True)
    assert ([path.name for path in found], first) == (sorted_names, 0)
    found, first = photos_to_view(tmp_path / "img10.png", neighbours=True)
    assert ([path.name for path in found], first) == (sorted_names, 3)
    assert photos_to_view(tmp_path / "img10.png", neighbours=False) == ((tmp_path / "img10.png",), 0)


def test_a_phones_photos_beside_others_are_said_to_be_left_out(
    tiny_model: Path, photo_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "img1.png").write_bytes(photo_path.read_bytes())
    (tmp_path / "IMG_0001.HEIC").write_bytes(b"")
    assert run(["view", str(tiny_model), str(tmp_path), "--render", str(tmp_path / "out.png")]) == 0
    assert "HEIC photos are left out (1, beside 1 that can be read)" in capsys.readouterr().err


def test_nothing_of_torch_or_onnx_is_imported(tiny_model: Path, photo_path: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'onnx', 'onnxsim', 'dptscope_export.export'): sys.modules[name] = None\n"
        "from dptscope.commands.app import run\n"
        "sys.exit(run(sys.argv[1:]))\n"
    )
    arguments = ["view", str(tiny_model), str(photo_path), "--render", str(tmp_path / "out.png")]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_window_sizes() -> None:
    assert window_size("1920x1080") == (1920, 1080)
    assert window_size("3840×2160") == (3840, 2160)


def test_a_user_without_a_home(
    tiny_model: Path, photo_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container with a user id that nobody knows: presets lie where pictures are saved."""

    def nobody(uid: int) -> None:
        raise KeyError(uid)

    for variable in ("HOME", "XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    assert default_folder() is None
    assert run(["view", str(tiny_model), str(photo_path), "--render", str(tmp_path / "view.png")]) == 0
