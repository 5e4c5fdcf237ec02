"""The real thing: the program on a virtual screen, with a real mouse and real keys.

What is seen is compared with what the views draw for the state that the user should have reached, pixel by pixel.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import skimage
from numpy.typing import NDArray
from support.screen import Program, Screen, missing_tools, wait_until

import dptscope
from dptscope.pictures.colours import COLOUR_MAP_NAMES
from dptscope_view.engine import Engine
from dptscope_view.state import Facts, Show, State, View
from dptscope_view.ui.events import Mouse, Pointer
from dptscope_view.ui.theme import ACCENT
from dptscope_view.viewer import Viewer
from dptscope_view.window import layout_size

WIDTH, HEIGHT = 1280, 800
NAMES = ("coffee.png", "motorcycle_left.png", "rocket.jpg")

pytestmark = pytest.mark.skipif(
    bool(missing_tools()) and os.environ.get("DPTSCOPE_REQUIRE_X") != "1", reason="Xvfb, xdotool or openbox is missing"
)


@pytest.fixture(scope="module")
def screen() -> Iterator[Screen]:
    assert not missing_tools(), f"DPTSCOPE_REQUIRE_X=1, and {', '.join(missing_tools())} not installed"
    made = Screen(1680, 1100)
    yield made
    made.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three real photos."""
    made = tmp_path_factory.mktemp("three")
    for name in NAMES:
        (made / name).write_bytes((Path(skimage.__file__).parent / "data" / name).read_bytes())
    return made


class Double:
    """The same views in this process, to know where things are and what they should look like."""

    def __init__(self, model_path: Path, folder: Path) -> None:
        self._photos = tuple(folder / name for name in NAMES)
        model = dptscope.load(model_path)
        self._engine = Engine(model, self._photos)
        self.facts = Facts.of(model_path.stem, model.card, NAMES)

    def viewer(self, width: int, height: int, **state: Any) -> Viewer:
        """A viewer in a state, drawn at a size."""
        start = State(**{"size": self.facts.native, "block": len(self.facts.channels) - 1, **state})
        made = Viewer(self.facts, start, self._photos, None, Path(), Path())
        made.take(self._engine.full(made.question()))
        made.draw(width, height)
        return made

    def rect(self, name: str, width: int = WIDTH, height: int = HEIGHT, **state: Any) -> Any:
        """Where a part is in that state."""
        return next(part.rect for part in self.viewer(width, height, **state).parts if part.name == name)


@pytest.fixture(scope="module")
def double(tiny_model: Path, folder: Path) -> Double:
    return Double(tiny_model, folder)


@pytest.fixture
def start(screen: Screen, tiny_model: Path, folder: Path, tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Starts the program; whatever still runs at the end is stopped."""
    running: list[Program] = []

    def run(*options: str) -> Program:
        program = Program(
            screen,
            [tiny_model, folder, "--output", tmp_path / "saved", "--window", f"{WIDTH}x{HEIGHT}", *options],
            tmp_path / "home",
        )
        running.append(program)
        return program

    yield run
    for program in running:
        program.kill()


def difference(program: Program, wanted: Viewer, width: int, height: int) -> float:
    """Share of the window's pixels that are clearly not as wanted; the footer with its milliseconds does not count."""
    body = np.s_[: height - 30, :width]
    picture = program.picture()
    if picture.shape[:2] != (height, width):
        return 1.0  # not resized yet
    seen: NDArray[np.int16] = picture[body].astype(np.int16)
    return float((np.abs(seen - wanted.draw(width, height)[body]).max(-1) > 40).mean())


def wait_for(program: Program, wanted: Viewer, width: int = WIDTH, height: int = HEIGHT) -> None:
    """Wait until the window shows that, the mouse out of the way (what it marks may differ: under 1 % of the pixels)."""
    program.move(5, 5)
    try:
        wait_until(lambda: difference(program, wanted, width, height) < 0.01, 30)
    except AssertionError:
        share = difference(program, wanted, width, height)
        seen = Path(tempfile.mkdtemp()) / "seen.png"
        cv2.imwrite(str(seen), program.picture())
        pytest.fail(f"{share:.1%} of the pixels are not what {wanted.state} should look like; seen: {seen}")


def test_norms_tiles_and_keys(double: Double, start: Callable[..., Program]) -> None:
    program = start()
    wait_for(program, double.viewer(WIDTH, HEIGHT))
    tiles = double.rect("tiles")
    program.click(tiles.x + 30, tiles.y + 30)
    wait_for(program, double.viewer(WIDTH, HEIGHT, block=0))
    program.key("k", "KP_Right", "j")  # the key pad without Num Lock, too
    wait_for(program, double.viewer(WIDTH, HEIGHT, block=1))
    program.key("y")
    wait_for(program, double.viewer(WIDTH, HEIGHT, block=1, show=Show.SIMILARITY))
    program.key("y", "o")  # a channel of each block
    wait_for(program, double.viewer(WIDTH, HEIGHT, block=1, show=Show.CHANNEL))
    program.key("n")
    wait_for(program, double.viewer(WIDTH, HEIGHT, block=1, show=Show.CHANNEL, photo=1))
    program.key("q")
    assert program.end() == (0, "")


def test_a_double_click_is_two_presses(double: Double, start: Callable[..., Program]) -> None:
    program = start()
    wait_for(program, double.viewer(WIDTH, HEIGHT))
    button = double.rect("button-i")
    x, y = button.x + button.width / 2, button.y + button.height / 2
    program.double_click(x, y)
    time.sleep(0.6)  # what comes next is no third press
    wait_for(program, double.viewer(WIDTH, HEIGHT))
    program.click(x, y)
    wait_for(program, double.viewer(WIDTH, HEIGHT, reverse=True))
    program.key("q")
    assert program.end() == (0, "")


def test_dragging_sliders_and_comparing(double: Double, start: Callable[..., Program], tmp_path: Path) -> None:
    program = start()
    wait_for(program, double.viewer(WIDTH, HEIGHT))
    tabs = double.rect("tabs")
    program.click(tabs.right - 15, tabs.y + 10)
    wait_for(program, double.viewer(WIDTH, HEIGHT, view=View.FUSION))

    row = double.rect("scale-4", view=View.FUSION)
    y = row.y + row.height // 2
    program.drag([(row.x + row.width * share, y) for share in np.linspace(0.6, 0.25, 25)])
    program.key("s")
    about = json.loads(wait_until(lambda: read(tmp_path / "saved" / "coffee_fusion_001.json"), what="the saved file"))
    scales = tuple(about["fusion_scales"])
    assert scales[:3] == (1.0, 1.0, 1.0) and -4.0 < scales[3] < -1.5
    wanted = double.viewer(WIDTH, HEIGHT, view=View.FUSION, scales=scales, chosen=4)
    wait_for(program, wanted)
    depth = double.rect("depth", view=View.FUSION)
    plain = double.viewer(WIDTH, HEIGHT, view=View.FUSION).draw(WIDTH, HEIGHT)
    place = np.s_[depth.y : depth.bottom, depth.x : depth.right]
    assert (plain[place] != wanted.draw(WIDTH, HEIGHT)[place]).any(-1).mean() > 0.2, "the picture must have followed"

    program.key("b")  # the unmodified model, and back
    wait_for(program, double.viewer(WIDTH, HEIGHT, view=View.FUSION, scales=scales, chosen=4, scales_on=False))
    program.key("b")
    wait_for(program, wanted)
    program.key("period", "period")  # fine steps after clicks
    finer = (*scales[:3], round(scales[3] + 0.02, 2))
    wait_for(program, double.viewer(WIDTH, HEIGHT, view=View.FUSION, scales=finer, chosen=4))
    program.click(row.x + row.width / 2, y, button=3)
    wait_for(program, double.viewer(WIDTH, HEIGHT, view=View.FUSION, chosen=4))
    stops, button = (double.rect(name, view=View.FUSION) for name in ("stops-2", "button-i"))
    program.drag(
        [(button.x + 9, button.y + 9), (button.x + 9, button.y + 99)]
    )  # who slides off a button leaves it as it was
    program.click(stops.x + 6, stops.y + 9)
    off = {"view": View.FUSION, "scales": (1.0, 0.0, 1.0, 1.0), "chosen": 2}
    wait_for(program, double.viewer(WIDTH, HEIGHT, **off))
    program.key("b")
    wait_for(program, double.viewer(WIDTH, HEIGHT, **off, scales_on=False))
    program.key("Escape")  # back from the original, and only then out
    wait_for(program, double.viewer(WIDTH, HEIGHT, **off))
    program.key("Escape")
    assert program.end() == (0, "")
    saved = {path.name: path.stat().st_size for path in (tmp_path / "saved").iterdir()}
    assert len(saved) == 5 and min(saved.values()) > 100
    assert (cv2.imread(str(tmp_path / "saved" / "coffee_fusion_001.png")).shape) == (HEIGHT, WIDTH, 3)


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_presets_crop_and_size(double: Double, start: Callable[..., Program]) -> None:
    program = start("--view", "fusion")
    wait_for(program, double.viewer(WIDTH, HEIGHT, view=View.FUSION))
    program.key("2", "less", "less")
    scales = (1.0, 0.5, 1.0, 1.0)
    wait_for(program, double.viewer(WIDTH, HEIGHT, view=View.FUSION, scales=scales, chosen=2))
    program.key("numbersign", "minus", "1", "period", "5", "BackSpace", "2", "Return")  # typed
    wait_for(program, double.viewer(WIDTH, HEIGHT, view=View.FUSION, scales=(1.0, -1.2, 1.0, 1.0), chosen=2))
    program.key("f", "f")  # off, half
    wait_for(program, double.viewer(WIDTH, HEIGHT, view=View.FUSION, scales=scales, chosen=2))
    program.key("m", "semicolon", "semicolon")
    wait_for(
        program,
        double.viewer(
            WIDTH,
            HEIGHT,
            view=View.FUSION,
            scales=scales,
            chosen=2,
            depth_colours=COLOUR_MAP_NAMES[COLOUR_MAP_NAMES.index("inferno") - 1],
        ),
    )
    program.key("m")
    program.key("w")
    program.key("r")
    wait_for(program, double.viewer(WIDTH, HEIGHT, view=View.FUSION, chosen=2))
    program.key("y")
    wait_for(program, double.viewer(WIDTH, HEIGHT, view=View.FUSION, scales=scales, chosen=2))
    program.key("plus")
    larger = {"view": View.FUSION, "scales": scales, "chosen": 2, "size": double.facts.native + 1}
    wait_for(program, double.viewer(WIDTH, HEIGHT, **larger))
    program.key("c")
    photo = double.rect("photo", **larger)
    program.drag([(photo.x + photo.width * share, photo.y + photo.height * share) for share in (0.25, 0.4, 0.6, 0.75)])
    seen = wait_until(lambda: changed_photo(program, photo), what="the cropped photo")
    assert seen
    program.click(photo.x + photo.width // 2, photo.y + photo.height // 2, button=3)
    wait_for(program, double.viewer(WIDTH, HEIGHT, **larger))
    program.key("q")
    assert program.end() == (0, "")


def changed_photo(program: Program, place: Any) -> bool:
    """Whether the middle half of the coffee photo fills the photo's place."""
    whole = cv2.imread(str(Path(skimage.__file__).parent / "data" / "coffee.png"))
    height, width = whole.shape[:2]
    part = cv2.resize(
        whole[height // 4 : height * 3 // 4, width // 4 : width * 3 // 4], (40, 30), interpolation=cv2.INTER_AREA
    )
    shown = program.picture()[place.y : place.bottom, place.x : place.right]
    small = cv2.resize(shown, (40, 30), interpolation=cv2.INTER_AREA)
    return float(np.abs(part.astype(int) - small).mean()) < 8


def test_the_window_can_be_resized_and_the_mouse_still_hits(double: Double, start: Callable[..., Program]) -> None:
    program = start()
    wait_for(program, double.viewer(WIDTH, HEIGHT))
    for width, height in ((640, 480), (1600, 1000), (900, 1000)):
        program.resize(width, height)
        wait_for(program, double.viewer(width, height, block=3), width, height)
        tiles = double.rect("tiles", width, height)
        program.click(tiles.x + 20, tiles.y + 20)
        wait_for(program, double.viewer(width, height, block=0), width, height)
        program.key("d", "d", "d", "k", "k", "k")
        wait_for(program, double.viewer(width, height, block=3), width, height)
    # Smaller than the smallest layout: shrunk in the window's shape, and the mouse still hits.
    small, drawn = (500, 400), layout_size(500, 400)
    program.resize(*small)
    wait_until(lambda: program.place()[2:] == small, what="the small window")
    tiles = double.rect("tiles", *drawn)
    program.click((tiles.x + 20) * small[0] / drawn[0], (tiles.y + 20) * small[0] / drawn[0])
    program.move(3, 3)
    wanted = cv2.resize(double.viewer(*drawn, block=0).draw(*drawn), small, interpolation=cv2.INTER_AREA)[:380]
    wait_until(lambda: np.abs(program.picture()[:380].astype(int) - wanted).mean() < 2, what="the shrunk picture")
    program.press_close_button()
    assert program.end() == (0, "")


def test_the_wheel_magnifies_and_clicks_still_hit(double: Double, start: Callable[..., Program]) -> None:
    program = start("--view", "fusion")
    wanted = double.viewer(WIDTH, HEIGHT, view=View.FUSION)
    wait_for(program, wanted)
    row = double.rect("scale-2", view=View.FUSION)
    x, y = round(row.x + row.width / 2), row.y + 10
    for _ in range(3):
        program.click(x, y, button=4)
    wait_until(lambda: difference(program, wanted, WIDTH, HEIGHT) > 0.2, what="a magnified picture")
    wait_until(lambda: seen_around(program, x, y), what="a notice beside the mouse")
    program.drag([(x, y), (x + 60, y + 40), (x, y)])  # a click, and the drag moves the picture there and back
    program.key("Escape")  # does not quit
    for _ in range(5):
        program.click(x, y, button=5)
    wanted.on_mouse(Mouse(Pointer.PRESS, x, y))
    assert wanted.state.scales != (1.0, 1.0, 1.0, 1.0)
    wait_for(program, double.viewer(WIDTH, HEIGHT, view=View.FUSION, scales=wanted.state.scales, chosen=2))
    program.key("q")
    assert program.end() == (0, "")


def seen_around(program: Program, x: int, y: int) -> bool:
    """Whether text in the accent's colour stands right above a place."""
    above = program.picture()[y - 50 : y - 12, x - 150 : x + 150]
    return int((np.abs(above.astype(int) - ACCENT).max(-1) < 30).sum()) > 100


def test_help_is_drawn_and_closed(double: Double, start: Callable[..., Program]) -> None:
    program = start()
    wait_for(program, double.viewer(WIDTH, HEIGHT))
    program.key("F1")
    wait_for(program, double.viewer(WIDTH, HEIGHT, help=True))
    program.click(700, 400)
    wait_for(program, double.viewer(WIDTH, HEIGHT))
    program.key("Escape")
    assert program.end() == (0, "")


def test_photos_that_cannot_be_read_are_passed(screen: Screen, tiny_model: Path, folder: Path, tmp_path: Path) -> None:
    photos = tmp_path / "some"
    photos.mkdir()
    for name in ("a_empty.png", "m_empty.png"):
        (photos / name).write_bytes(b"")
    for name in ("coffee.png", "rocket.jpg"):
        (photos / name).write_bytes((folder / name).read_bytes())
    program = Program(screen, [tiny_model, photos], tmp_path)
    try:
        wait_until(lambda: program.title().startswith("coffee.png"), what="the first photo that can be read")
        program.key("n")
        wait_until(lambda: program.title().startswith("rocket.jpg"), what="the next")
        program.key("p", "q")
        assert program.end() == (0, "")
    finally:
        program.kill()


def test_closing_while_the_encoder_runs(start: Callable[..., Program]) -> None:
    program = start("--size", "700")
    program.press_close_button()
    status, errors = program.end()
    assert (status, errors) == (0, "")
