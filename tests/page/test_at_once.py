"""Several things at once: what is asked for while something else runs, and what fails in the middle. What is shown and what
is saved belong together all the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import onnx
from playwright.sync_api import Browser, Page
from support.browser import at_rest, drop, problem, saved, show

import dptscope
from dptscope.commands import demo
from dptscope.files.photos import read_image
from dptscope.tokens import similarity

TINY = Path(__file__).parents[1] / "data" / "tiny.onnx"
ASTRONAUT = demo.ASSETS / "photos" / "astronaut.png"
FAMILY = sorted(TINY.parent.glob("tiny*.onnx"))


def two_photos(page: Page, folder: Path) -> list[Path]:
    """The photo, and one of other sides that is shown in its place."""
    other = folder / "other.png"
    cv2.imwrite(str(other), read_image(ASTRONAUT)[:300, 100:300])
    drop(page, [ASTRONAUT, other])
    return [ASTRONAUT, other]


def damaged_model(folder: Path) -> Path:
    """A model that opens, and whose tokens are beyond float32."""
    model = onnx.load(TINY)
    for weight in model.graph.initializer:
        if weight.name.endswith("block_02/mlp/fc2/weight"):
            huge = np.full_like(onnx.numpy_helper.to_array(weight), 3e38)
            weight.CopyFrom(onnx.numpy_helper.from_array(huge, weight.name))
    for entry in model.metadata_props:
        if entry.key == "dptscope.model_id":
            entry.value = "damaged"
    onnx.save(model, folder / "damaged.onnx")
    return folder / "damaged.onnx"


def test_save_and_next_photo(page: Page, tmp_path: Path) -> None:
    """The file has the name of the photo that it is of."""
    two_photos(page, tmp_path)
    show(page, "Fusion")
    with page.expect_download() as download:
        page.evaluate("document.getElementById('save-npy').click(); document.getElementById('photo-next').click()")
    at_rest(page)
    assert download.value.suggested_filename == "astronaut_depth.npy"
    assert np.load(download.value.path()).shape == (512, 512)
    assert page.locator("#photo-name").text_content() == "other.png"
    show(page, "Norms")


def test_similarity_is_saved_before_it_is_seen(page: Page, scene: dptscope.Scene) -> None:
    """Not the norms, which are on the screen still."""
    drop(page, [ASTRONAUT])
    with page.expect_download() as download:
        page.evaluate("""() => {
            document.getElementById('show-similarity').click();
            document.getElementById('save-npy').click();
        }""")
    alike = np.load(download.value.path())
    rows, columns = alike.shape
    expected = similarity(scene.block_tokens[len(scene.block_norms) - 1], (rows // 2, columns // 2))
    np.testing.assert_allclose(alike, expected, atol=1e-6)
    page.keyboard.press("o")


def test_only_the_last_of_many_wishes_runs(browser: Browser, file: Path, tmp_path: Path) -> None:
    """Three photos on in three quick steps is one run."""
    page = browser.new_page()
    page.add_init_script("""
        window.calls = [];
        const post = Worker.prototype.postMessage;
        Worker.prototype.postMessage = function (message) { window.calls.push(message.name); post.call(this, message); };
    """)
    page.goto(file.as_uri())
    at_rest(page)
    photos = [shutil.copy(ASTRONAUT, tmp_path / f"{name}.png") for name in "abcd"]
    drop(page, [Path(photo) for photo in photos])
    page.evaluate("window.calls = []; for (let i = 0; i < 3; i++) document.getElementById('photo-next').click()")
    at_rest(page)
    assert page.locator("#photo-name").text_content() == "d.png"
    assert page.evaluate("window.calls").count("prepare") == 1
    page.close()


def test_a_size_that_fails_is_taken_back(page: Page) -> None:
    drop(page, [ASTRONAUT])
    page.evaluate("""() => {
        window.decode = createImageBitmap;
        createImageBitmap = () => Promise.reject(new Error("no"));
    }""")
    page.locator("#norms .size select").select_option("336")
    page.locator("#problem").wait_for()
    at_rest(page)
    assert page.locator("#norms .size select").input_value() == "224"
    page.evaluate("() => { createImageBitmap = window.decode; }")
    page.locator("#norms .size select").select_option("336")
    page.get_by_text("336 × 336 · encoder").wait_for()
    assert not page.locator("#problem").is_visible()
    page.locator("#norms .size select").select_option("224")
    at_rest(page)


def test_a_model_that_cannot_run_leaves_the_one_before(page: Page, tmp_path: Path) -> None:
    """It opens, but its numbers are beyond float32: what was shown stays, and answers."""
    drop(page, FAMILY)
    drop(page, [ASTRONAUT])
    before = page.locator("#model-name").text_content()
    drop(page, [damaged_model(tmp_path)])
    assert problem(page) == (
        "damaged.onnx: expected tokens of finite length, got others: its weights are damaged or too large."
    )
    assert page.locator("#model-name").text_content() == before
    show(page, "Fusion")
    page.locator("#scale-1").focus()
    page.keyboard.press("f")
    page.locator("#depth[data-coarse=false]").wait_for()
    depth = np.load(saved(page, "Numbers", tmp_path))
    expected = dptscope.load(TINY).prepare(read_image(ASTRONAUT)).depth((0.0, 1.0, 1.0, 1.0))
    assert np.abs(depth - expected).max() < 1e-5 * np.ptp(expected)
    page.keyboard.press("r")


def test_sliders_live_on_when_the_model_changes_under_them(page: Page, tmp_path: Path) -> None:
    """A slider is moved all the time while another model takes the place of this one."""
    show(page, "Fusion")
    page.evaluate("""() => {
        const slider = document.getElementById("scale-1");
        window.moving = setInterval(() => {
            slider.value = slider.value === "2" ? "3" : "2";
            slider.dispatchEvent(new Event("input"));
        }, 1);
    }""")
    for _ in range(3):
        drop(page, FAMILY)
    page.evaluate("clearInterval(window.moving)")
    assert problem(page) == ""
    page.keyboard.press("r")
    page.locator("#scale-1").focus()
    page.keyboard.press("f")
    depth = np.load(saved(page, "Numbers", tmp_path))
    page.get_by_text("full").wait_for()
    page.keyboard.press("r")
    page.locator("#depth[data-coarse=false]").wait_for()
    page.keyboard.press(">")
    page.get_by_text("· fusion").wait_for()
    expected = dptscope.load(TINY).prepare(read_image(ASTRONAUT)).depth((0.0, 1.0, 1.0, 1.0))
    assert np.abs(depth - expected).max() < 1e-5 * np.ptp(expected)
    page.keyboard.press("r")


def test_files_under_names_of_others(page: Page, tmp_path: Path) -> None:
    """Two models at once, and a model that is called a preview: refused, for a companion would go with the wrong one."""
    other = onnx.load(TINY)
    for entry in other.metadata_props:
        if entry.key == "dptscope.model_id":
            entry.value = json.dumps("other")
    onnx.save(other, tmp_path / "z.onnx")
    onnx.save(other, tmp_path / "z.preview.onnx")
    drop(page, [TINY, tmp_path / "z.onnx"])
    assert problem(page) == "z.onnx: expected one model at a time, got tiny.onnx with it."
    drop(page, [tmp_path / "z.preview.onnx"])
    assert problem(page) == (
        "z.preview.onnx: expected a companion or a preview, as its name says, got a model; give it another name."
    )
