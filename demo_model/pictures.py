"""The README's pictures of the shipped model: its depth, the window, the page and a survey's report."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import Page, sync_playwright

import dptscope
from demo_model.files import write_atomically
from demo_model.photos import read_rgb, wheel_file
from dptscope.commands.demo import ASSETS, MODEL, write_pictures

PICTURES = Path(__file__).parents[1] / "docs/pictures"
PHOTO = ASSETS / "photos" / "astronaut.png"
"""From scikit-image: Eileen Collins, by NASA, in the public domain."""
CHROMIUM = Path("/usr/bin/chromium")
"""Debian's."""


def encode(ending: str, rgb: np.ndarray, *options: int) -> bytes:
    """An (H, W, 3) uint8 picture as a file's bytes."""
    _, data = cv2.imencode(ending, rgb[..., ::-1], options)
    return data.tobytes()


def dptscope_command(*arguments: str | Path) -> None:
    """Run ``dptscope …``."""
    subprocess.run([sys.executable, "-m", "dptscope", *arguments], check=True)


@contextmanager
def browser_page(file: Path, width: int, height: int) -> Iterator[Page]:
    """A file as the browser shows it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": width, "height": height}, reduced_motion="reduce")
        page.goto(file.as_uri())
        yield page
        browser.close()


def draw_depth(folder: Path) -> None:
    """``fusion.jpg``: depth with each fusion block scaled."""
    list(write_pictures(dptscope.load(MODEL), PHOTO, folder))
    sheet = encode(".jpg", read_rgb(folder / f"{PHOTO.stem}_fusion.png"), cv2.IMWRITE_JPEG_QUALITY, 88)
    write_atomically(PICTURES / "fusion.jpg", lambda temporary: temporary.write_bytes(sheet))


def draw_windows() -> None:
    """``viewer_*.png``: the window, without a display."""
    views = {
        "norms": ["--size", "448"],
        "similarity": ["--show", "similarity", "--token", "279", "103", "--block", "8", "--size", "448"],
        "fusion": ["--view", "fusion", "--scales", "1", "1", "1", "0", "--size", "322"],
    }
    for name, told in views.items():
        picture = PICTURES / f"viewer_{name}.png"
        dptscope_command("view", MODEL, PHOTO, *told, "--window", "1280x720", "--render", picture)


def draw_page(folder: Path) -> None:
    """``page.png``: the page with a token of block 7 under the mouse."""
    dptscope_command("page", "-o", folder / "page.html")
    with browser_page(folder / "page.html", 1280, 800) as page:
        page.get_by_role("button", name=PHOTO.name).click()
        page.locator("#norms").wait_for()
        page.get_by_role("button", name="Block 7").click()
        page.locator("#map").hover(position={"x": 198, "y": 118})
        page.locator("body[aria-busy=false]").wait_for()
        page.screenshot(path=PICTURES / "page.png")


def draw_report(folder: Path) -> None:
    """``survey.png``: the first three charts of a report on scikit-image's pictures and the further photos."""
    patterns = (wheel_file("skimage", "*.png"), wheel_file("skimage", "*.jpg"), wheel_file("demo_model", "*.jpg"))
    dptscope_command("survey", MODEL, *patterns, "-o", folder, "--size", "140")
    dptscope_command("survey", "report", folder)
    with browser_page(folder / "report.html", 1120, 900) as page:
        box = page.locator("section").nth(2).bounding_box()
        assert box is not None
        clip = {"x": 0, "y": 0, "width": 1120, "height": box["y"] + box["height"] + 18}
        page.screenshot(path=PICTURES / "survey.png", full_page=True, clip=clip)


def draw_all() -> None:
    """Draw every picture of the README and of ``docs`` that shows the shipped model."""
    with tempfile.TemporaryDirectory() as folder:
        draw_depth(Path(folder))
        draw_page(Path(folder))
        draw_report(Path(folder) / "survey")
    draw_windows()
