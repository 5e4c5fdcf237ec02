"""The page on a phone of 390 × 844: real touches, as DevTools' protocol gives them to the browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, CDPSession, Page
from support.browser import drop, open_page, saved, show

import dptscope
from dptscope.commands.demo import ASSETS
from dptscope.files.photos import read_image

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}


@pytest.fixture(scope="module")
def page(browser: Browser, file: Path) -> Iterator[Page]:
    said: list[str] = []
    page = open_page(browser, file.as_uri(), said, **PHONE)
    page.get_by_role("button", name="astronaut.png").tap()
    page.locator("#norms").wait_for()
    yield page
    assert said == []
    page.close()


@pytest.fixture(scope="module")
def touches(page: Page) -> CDPSession:
    return page.context.new_cdp_session(page)


def touch(touches: CDPSession, kind: str, *points: tuple[float, float]) -> None:
    places = [{"x": x, "y": y} for x, y in points]
    touches.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})


def swipe(
    page: Page, touches: CDPSession, start: tuple[float, float], end: tuple[float, float], steps: int = 12
) -> None:
    """A finger from one place to another."""
    touch(touches, "touchStart", start)
    for step in range(1, steps + 1):
        x, y = (a + (b - a) * step / steps for a, b in zip(start, end, strict=True))
        touch(touches, "touchMove", (x, y))
        page.wait_for_timeout(16)
    touch(touches, "touchEnd")


def middle(page: Page, selector: str, x: float = 0.5, y: float = 0.5) -> tuple[float, float]:
    """A place in an element, brought to where a finger reaches it."""
    element = page.locator(selector).first
    element.evaluate("(element) => element.scrollIntoView({ block: 'center' })")
    box = element.bounding_box()
    assert box is not None
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def test_a_tap_keeps_a_token(page: Page, touches: CDPSession, scene: dptscope.Scene) -> None:
    """It is marked in every block, and its words stay; a tap on a tile chooses the block."""
    show(page, "Norms")
    expected = scene.block_norms[-1]
    rows, columns = expected.shape
    place = middle(page, "#map", 4.5 / columns, 2.5 / rows)
    touch(touches, "touchStart", place)
    touch(touches, "touchEnd")
    page.get_by_text(f"row 2, column 4 · norm {expected[2, 4]:.0f}").last.wait_for()
    assert page.locator("#readout").is_visible()
    assert page.locator(".mark:visible").count() == len(scene.block_norms) + 1
    page.locator(".tile").nth(3).tap()
    page.get_by_role("heading", name="Block 3").wait_for()
    page.get_by_text(f"row 2, column 4 · norm {scene.block_norms[3][2, 4]:.0f}").last.wait_for()


def test_a_slider_is_dragged_by_a_finger(
    page: Page, touches: CDPSession, scene: dptscope.Scene, tmp_path: Path
) -> None:
    show(page, "Fusion")
    start, end = middle(page, "#scale-2", 0.6), middle(page, "#scale-2", 0.3)
    touch(touches, "touchStart", start)
    for share in np.linspace(0, 1, 8):
        touch(touches, "touchMove", (start[0] + share * (end[0] - start[0]), start[1]))
        page.wait_for_timeout(16)
    page.locator("#depth[data-coarse=true]").wait_for()
    assert page.locator("#depth").is_visible()
    touch(touches, "touchEnd")
    page.locator("#depth[data-coarse=false]").wait_for()
    value = float(page.locator("#scale-2").input_value())
    assert -2.3 < value < -1.7
    depth = np.load(saved(page, "Numbers", tmp_path))
    expected = scene.depth((1.0, value, 1.0, 1.0))
    assert np.abs(depth - expected).max() < 1e-5 * np.ptp(expected)
    page.locator("#reset").tap()


def test_depth_and_all_sliders_are_seen_at_once(page: Page) -> None:
    show(page, "Fusion")
    page.evaluate("window.scrollTo(0, 0)")
    boxes = [page.locator(selector).bounding_box() for selector in ("#depth", "#scale-1", "#scale-4", "footer")]
    tops, bottoms = zip(*((box["y"], box["y"] + box["height"]) for box in boxes if box is not None), strict=True)
    assert tops[0] > 0 and list(tops) == sorted(tops)
    assert bottoms[2] <= tops[3]


def test_a_finger_that_rests_on_a_slider_leaves_it(page: Page) -> None:
    """A long touch is a right click to a browser, which sets a mouse's slider back to 1."""
    show(page, "Fusion")
    page.locator("#scale-3").fill("2")
    for kind, value in (("touch", "2"), ("mouse", "1")):
        page.evaluate(
            """(kind) => document.getElementById("scale-3").dispatchEvent(
                new PointerEvent("contextmenu", { pointerType: kind, cancelable: true }))""",
            kind,
        )
        assert page.locator("#scale-3").input_value() == value


def test_a_tap_on_the_depth_tells_its_value(page: Page, scene: dptscope.Scene) -> None:
    """The value that is saved, at the photo's size; it stays when the finger has gone."""
    show(page, "Fusion")
    x, y = middle(page, "#depth", 0.4, 0.3)
    page.touchscreen.tap(x, y)
    told = page.locator("#readout")
    page.get_by_text("depth ").last.wait_for()
    text = told.text_content() or ""
    column, row = (int(part.split()[1]) for part in text.split(" · ")[0].split(", "))
    assert abs(column - 0.4 * 512) < 3 and abs(row - 0.3 * 512) < 3
    assert text == f"x {column}, y {row} · depth {scene.depth()[row, column]:.3g}"


def test_the_divider_is_moved_by_a_finger(page: Page, touches: CDPSession) -> None:
    show(page, "Fusion")
    page.locator("#compare").tap()
    start, end = middle(page, "#divider"), middle(page, "#depth", 0.2)
    swipe(page, touches, start, (end[0], start[1]))
    assert abs(int(page.locator("#divider").get_attribute("aria-valuenow") or 0) - 20) <= 1
    page.locator("#compare").tap()


@pytest.mark.parametrize(
    ("view", "selector"),
    [("Norms", "#map"), ("Norms", "#strip"), ("Norms", ".tile"), ("Fusion", "#depth"), ("Fusion", "#scale-2")],
)
def test_a_finger_scrolls_from_anywhere(page: Page, touches: CDPSession, view: str, selector: str) -> None:
    """Nothing holds a finger that goes up or down, and nothing is changed by it."""
    show(page, view)
    page.evaluate("window.scrollTo(0, 0)")
    start = middle(page, selector)
    chosen, kept = page.locator("#block-title").text_content(), page.locator(".mark:visible").count()
    before = page.evaluate("window.scrollY")
    room = page.evaluate("document.documentElement.scrollHeight - window.innerHeight - window.scrollY")
    swipe(page, touches, start, (start[0], start[1] + (-150 if room >= 100 else 150)))
    page.wait_for_timeout(100)
    assert abs(page.evaluate("window.scrollY") - before) >= 60
    assert page.locator("#scale-2").input_value() == "1"
    assert (page.locator("#block-title").text_content(), page.locator(".mark:visible").count()) == (chosen, kept)


def test_nothing_is_cut_off(page: Page) -> None:
    """No view is wider than the phone, fingers reach every control, and axe-core finds nothing."""
    small = """() => [...document.querySelectorAll("button, summary, select, input")].filter((each) => {
        const { width, height } = each.getBoundingClientRect();
        return width && height && (height < 32 || width < 32);
    }).map((each) => each.outerHTML)"""
    for view in ("Norms", "Fusion"):
        show(page, view)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert page.evaluate(small) == []
        assert Axe().run(page).response["violations"] == []


def test_an_upright_photos_caption_has_room(browser: Browser, file: Path, tmp_path: Path) -> None:
    """The colours and their range stand beside the title, also over a picture that is narrower than both."""
    cv2.imwrite(str(tmp_path / "upright.png"), read_image(ASSETS / "photos/astronaut.png")[:, 150:400])
    page = open_page(browser, file.as_uri(), [], **PHONE)
    drop(page, [tmp_path / "upright.png"])
    show(page, "Fusion")
    page.get_by_text("far 0.").wait_for()
    boxes = [
        page.locator(f"figure:has(#depth) figcaption {part}").bounding_box() for part in ("b", ".bar span >> nth=0")
    ]
    title, far = (box for box in boxes if box is not None)
    assert 0 <= title["x"] < title["x"] + title["width"] <= far["x"]
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.close()
