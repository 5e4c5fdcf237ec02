"""Models with their weights beside them, and what no browser can hold: a plain word, and what to do. Large files are
sparse ones, which take no room on the disk."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from playwright.sync_api import Browser, Page
from support.browser import at_rest, chromium, drop, open_page, problem, saved, show

import dptscope
from dptscope.commands import demo
from dptscope.files.photos import read_image

TINY = Path(__file__).parents[1] / "data" / "tiny.onnx"
ASTRONAUT = demo.ASSETS / "photos" / "astronaut.png"


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A model of which the weights lie in a file beside it, as an export writes it above 2 GB."""
    path = tmp_path / "large.onnx"
    onnx.save(
        onnx.load(TINY),
        path,
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location="large.onnx.data",
        size_threshold=1024,
    )
    assert path.stat().st_size < path.with_name("large.onnx.data").stat().st_size
    return path


def sparse(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    return path


def choose(page: Page, *paths: Path) -> None:
    page.locator("#model-input").set_input_files(paths)
    at_rest(page)


def depth_of(page: Page, folder: Path) -> None:
    """Hold the photo's depth to dptscope's."""
    drop(page, [ASTRONAUT])
    show(page, "Fusion")
    depth = np.load(saved(page, "Numbers", folder))
    expected = dptscope.load(TINY).predict(read_image(ASTRONAUT)).depth
    assert np.abs(depth - expected).max() < 1e-5 * np.ptp(expected)


def test_weights_beside_the_model(page: Page, beside: Path, tmp_path: Path) -> None:
    """Both together, in any order; either alone says what is missing."""
    weights = beside.with_name("large.onnx.data")
    drop(page, [beside])
    assert problem(page) == (
        "large.onnx: expected large.onnx.data with it, which its weights lie in; choose both together."
    )
    drop(page, [weights])
    assert problem(page) == "large.onnx.data: expected the model with it whose weights these are; choose both together."
    drop(page, [weights, beside])
    assert problem(page) == ""
    assert page.locator("#model-name").text_content() == (
        "large · vit-64x4 · no companion: a slider runs the whole model"
    )
    depth_of(page, tmp_path)


def test_weights_beside_a_served_model(browser: Browser, beside: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dptscope", "page", "--serve", str(beside), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            page = open_page(browser, process.stdout.readline().split()[0], [])
            assert problem(page) == ""
            depth_of(page, tmp_path)
            page.close()
        finally:
            process.terminate()


def test_more_than_a_browser_can_hold(page: Page, beside: Path, tmp_path: Path) -> None:
    """Said before anything is read."""
    choose(page, sparse(tmp_path / "huge.onnx", 3 << 30))
    assert problem(page) == "huge.onnx: 3.2 GB are more than a browser can hold; open it with dptscope view."
    choose(page, beside, sparse(tmp_path / "large.onnx.data", 5 << 30))
    assert problem(page) == "large.onnx.data: 5.4 GB are more than a browser can hold; open it with dptscope view."


@pytest.fixture(scope="module")
def cramped(browser: Browser) -> Iterator[Browser]:
    """A browser in which WebAssembly has 160 MiB, as on a small telephone."""
    with chromium("--js-flags=--wasm-max-mem-pages=2560", beside=browser) as started:
        yield started


def test_a_run_for_which_there_is_no_memory(cramped: Browser, file: Path, tmp_path: Path) -> None:
    """One sentence; what was shown stays, and the next photo runs."""
    page = open_page(cramped, file.as_uri(), [])
    drop(page, [ASTRONAUT])
    page.locator("#norms .size select").select_option("672")
    page.locator("#problem").wait_for()
    at_rest(page)
    assert problem(page).startswith("There is not enough memory for that in this browser: take a smaller image size")
    assert page.locator("#norms .size select").input_value() == "224"
    show(page, "Fusion")
    depth = np.load(saved(page, "Numbers", tmp_path))
    drop(page, [ASTRONAUT])
    assert problem(page) == ""
    again = np.load(saved(page, "Numbers", tmp_path))
    np.testing.assert_array_equal(depth, again)
    page.close()
