"""The camera, with Chromium's pretended one: its picture becomes depth and norms, it goes off, and what a person sees who has
none or refuses it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page
from support.browser import at_rest, chromium, open_page, problem, saved, show

import dptscope
from dptscope.commands import demo
from dptscope.files.photos import read_image

ASTRONAUT = demo.ASSETS / "photos" / "astronaut.png"
STREAMS = """
    window.streams = [];
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (wanted) => {
        const stream = await open(wanted);
        window.streams.push(stream);
        return stream;
    };
"""


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film in which nothing moves."""
    path = tmp_path_factory.mktemp("camera") / "astronaut.y4m"
    picture = cv2.resize(read_image(ASTRONAUT), (640, 480))
    planes = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420).tobytes()
    path.write_bytes(b"YUV4MPEG2 W640 H480 F30:1 Ip A1:1 C420jpeg\n" + (b"FRAME\n" + planes) * 2)
    return path


@pytest.fixture(scope="module")
def browser(filmed: Path) -> Iterator[Browser]:
    device = "--use-fake-device-for-media-stream"
    film = f"--use-file-for-fake-video-capture={filmed}"
    with chromium(device, film, "--use-fake-ui-for-media-stream") as started:
        yield started


@pytest.fixture
def page(browser: Browser, file: Path) -> Iterator[Page]:
    said: list[str] = []
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.add_init_script(STREAMS)
    page.goto(file.as_uri())
    at_rest(page)
    yield page
    assert said == []
    page.close()


def is_on(page: Page) -> bool:
    tracks = "window.streams.flatMap((stream) => stream.getTracks()).map((track) => track.readyState)"
    return "live" in page.evaluate(tracks)


def test_what_it_sees_becomes_depth_and_norms(page: Page, tmp_path: Path) -> None:
    """As dptscope has them for the same pixels, and these are the film's."""
    page.get_by_role("button", name="Use the camera").click()
    dialog = page.get_by_role("dialog", name="Camera")
    dialog.wait_for()
    assert page.locator("body").get_attribute("aria-busy") == "false"
    dialog.get_by_role("button", name="Take the photo").click()
    page.locator("#norms").wait_for()
    at_rest(page)
    assert not is_on(page)
    assert page.locator("#photo-name").text_content() == "camera.png"
    norms = np.load(saved(page, "Numbers", tmp_path))
    show(page, "Fusion")
    depth = np.load(saved(page, "Numbers", tmp_path))
    address = page.evaluate("document.getElementById('photo').toDataURL()")
    taken = cv2.imdecode(np.frombuffer(base64.b64decode(address.partition(",")[2]), np.uint8), cv2.IMREAD_COLOR)
    assert taken.shape == (480, 640, 3)
    film = cv2.resize(read_image(ASTRONAUT), (640, 480))
    assert np.corrcoef(taken.ravel(), film.ravel())[0, 1] > 0.99
    scene = dptscope.load(demo.MODEL).prepare(taken)
    expected = scene.depth()
    assert np.abs(depth - expected).max() < 1e-5 * np.ptp(expected)
    assert np.abs(norms / scene.block_norms[-1] - 1).max() < 1e-6


def test_it_goes_off_without_a_photo(page: Page) -> None:
    page.get_by_role("button", name="Use the camera").click()
    dialog = page.get_by_role("dialog", name="Camera")
    dialog.wait_for()
    assert is_on(page)
    for leave in (lambda: dialog.get_by_role("button", name="Cancel").click(), lambda: page.keyboard.press("Escape")):
        if not dialog.is_visible():
            page.get_by_role("button", name="Camera", exact=True).click()
            dialog.wait_for()
        leave()
        dialog.wait_for(state="hidden")
        assert not is_on(page)
    assert page.locator("#start").is_visible()


def test_a_second_click_opens_no_second_camera(page: Page) -> None:
    page.evaluate("for (let i = 0; i < 2; i++) document.getElementById('use-camera').click()")
    page.get_by_role("dialog", name="Camera").wait_for()
    page.wait_for_timeout(300)
    assert page.evaluate("window.streams.length") == 1
    assert problem(page) == ""
    page.keyboard.press("Escape")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--use-fake-ui-for-media-stream"], "Camera: there is no camera here; choose a photo."),
        (
            ["--use-fake-device-for-media-stream", "--deny-permission-prompts"],
            "Camera: this page may not use the camera; allow it beside the address, or choose a photo.",
        ),
    ],
    ids=["none", "refused"],
)
def test_a_person_without_one_is_told(browser: Browser, arguments: list[str], sentence: str, file: Path) -> None:
    with chromium(*arguments, beside=browser) as started:
        said: list[str] = []
        page = open_page(started, file.as_uri(), said)
        page.get_by_role("button", name="Use the camera").click()
        page.locator("#problem").wait_for()
        assert problem(page) == sentence
        assert page.get_by_role("button", name="Choose a photo").is_enabled()
        assert said == []
