"""``dptscope page`` in a real browser, by what a person does: photos are dropped, sliders dragged, files saved, and what was
saved is held against dptscope's own numbers. Needs /usr/bin/chromium."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import onnx
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from support.browser import drop, open_page, saved, show

import dptscope
from dptscope.commands import app as cli
from dptscope.commands import demo
from dptscope.files.photos import read_image
from dptscope.tokens import similarity
from dptscope_export.quantise.pipeline import quantise

ROOT = Path(__file__).parents[2]
TINY = ROOT / "tests" / "data" / "tiny.onnx"
ASTRONAUT = demo.ASSETS / "photos" / "astronaut.png"


def test_norms_are_dptscopes(page: Page, scene: dptscope.Scene, tmp_path: Path) -> None:
    """Norms of a block in numbers and words; the token under the pointer in every picture; similarity to it."""
    show(page, "Norms")
    page.locator(".tile").nth(6).click()
    expected = scene.block_norms[6]
    norms = np.load(saved(page, "Numbers", tmp_path))
    assert norms.dtype == np.float32
    assert np.abs(norms / expected - 1).max() < 1e-6
    sixteen = cv2.imread(str(saved(page, "16-bit", tmp_path)), cv2.IMREAD_UNCHANGED)
    assert sixteen.dtype == np.uint16
    assert np.abs(sixteen / 65535 * np.ptp(expected) + expected.min() - expected).max() < np.ptp(expected) / 65000

    rows, columns = expected.shape
    box = page.locator("#map").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 4.5 / columns * box["width"], box["y"] + 2.5 / rows * box["height"])
    rank = int((expected > expected[2, 4]).sum()) + 1
    page.get_by_text(f"row 2, column 4 · norm {expected[2, 4]:.0f} · rank {rank} of {expected.size}").first.wait_for()
    assert page.locator(".mark:visible").count() == len(scene.block_norms) + 1
    page.keyboard.press("o")
    page.mouse.click(box["x"] + 4.5 / columns * box["width"], box["y"] + 2.5 / rows * box["height"])
    page.get_by_text("similarity 1.00 to the kept token").first.wait_for()
    alike = np.load(saved(page, "Numbers", tmp_path))
    np.testing.assert_allclose(alike, similarity(scene.block_tokens[6], (2, 4)), atol=1e-6)
    page.keyboard.press("o")


def test_a_slider_is_dragged(page: Page, scene: dptscope.Scene, tmp_path: Path) -> None:
    """Coarse while it moves, full when it rests; what is saved is the depth at the photo's size, with these scales."""
    show(page, "Fusion")
    kept = np.load(saved(page, "Numbers", tmp_path))
    expected = scene.depth()
    assert kept.shape == expected.shape == (512, 512)
    assert np.abs(kept - expected).max() < 1e-5 * np.ptp(expected)

    box = page.locator("#scale-2").bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.6 * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.3 * box["width"], y, steps=5)
    page.locator("#depth[data-coarse=true]").wait_for()
    page.mouse.up()
    page.locator("#depth[data-coarse=false]").wait_for()
    value = float(page.locator("#scale-2").input_value())
    assert -2.2 < value < -1.8
    moved = np.load(saved(page, "Numbers", tmp_path))
    expected = scene.depth(fusion_scales=(1.0, value, 1.0, 1.0))
    assert np.abs(moved - expected).max() < 1e-5 * np.ptp(expected)
    page.keyboard.press("r")
    assert page.locator("#scale-2").input_value() == "1"


def test_a_photo_and_a_model_are_dropped(page: Page, tmp_path: Path) -> None:
    """Another model with what lies beside it, which prepares in bytes and has an optional input and an output that the page
    does not know; and a photo with an orientation in its Exif."""
    for path in TINY.parent.glob("tiny*.onnx"):
        shutil.copy(path, tmp_path)
    model = onnx.load(TINY)
    bytes_first = {"resize_rule": "longest", "interpolation": "uint8_area_or_cubic", "output_resize": "bicubic"}
    for entry in model.metadata_props:
        if entry.key == "dptscope.preparation":
            entry.value = json.dumps(json.loads(entry.value) | bytes_first)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros((0, 3), np.float32), "unknown_tokens"))
    model.graph.input.append(onnx.helper.make_tensor_value_info("unknown_tokens", onnx.TensorProto.FLOAT, ["n", 3]))
    model.graph.node.append(onnx.helper.make_node("Identity", ["unknown_tokens"], ["unknown_output"]))
    model.graph.output.append(onnx.helper.make_tensor_value_info("unknown_output", onnx.TensorProto.FLOAT, ["n", 3]))
    onnx.save(model, tmp_path / "tiny.onnx")
    photo = tmp_path / "turned.jpg"
    upright = cv2.resize(read_image(ASTRONAUT), (300, 200))
    exif = b"\xff\xe1\x00\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    jpeg = cv2.imencode(".jpg", upright)[1].tobytes()
    photo.write_bytes(jpeg[:2] + exif + jpeg[2:])
    drop(page, [*sorted(tmp_path.glob("tiny*.onnx")), photo])
    assert page.locator("#model-name").text_content() == "tiny · vit-64x4"
    assert page.locator("#photo-name").text_content() == "turned.jpg"
    show(page, "Fusion")
    depth = np.load(saved(page, "Numbers", tmp_path))
    for entry in (
        extra for extra in (model.graph.input, model.graph.initializer, model.graph.output, model.graph.node)
    ):
        entry.pop()  # which dptscope itself would refuse
    onnx.save(model, tmp_path / "tiny.onnx")
    expected = dptscope.load(tmp_path / "tiny.onnx").predict(read_image(photo)).depth
    assert depth.shape == expected.shape == (300, 200)
    assert np.abs(depth - expected).max() < 1e-5 * np.ptp(expected)


def test_layers_in_int8(page: Page, tmp_path: Path) -> None:
    """WebAssembly's products of 8-bit numbers are exact. Sums in another order may take a number between two steps to the
    other one, and onnxruntime leaves out some roundings between layers, not the same in both: the depth is as near."""
    parts = [tmp_path / f"{side}.png" for side in "ab"]
    for path, pixels in zip(parts, np.hsplit(read_image(ASTRONAUT), 2), strict=True):
        cv2.imwrite(str(path), pixels)
    made = quantise(TINY, tmp_path, parts, floor=0.5)
    drop(page, [*made.files, parts[0]])
    assert page.locator("#model-name").text_content() == "tiny.int8 · vit-64x4"
    model = dptscope.load(made.model)
    show(page, "Norms")
    page.locator(".tile").nth(3).click()
    expected = model.block_norms(read_image(parts[0]))[3]
    difference = np.abs(np.load(saved(page, "Numbers", tmp_path)) - expected) / expected.mean()
    assert np.median(difference) < 1e-5 and difference.max() < 5e-3
    show(page, "Fusion")
    page_depth = np.load(saved(page, "Numbers", tmp_path))
    exact, rounded = (dptscope.load(path).predict(read_image(parts[0])).depth for path in (TINY, made.model))
    page_error, error = (np.sqrt(np.mean((depth - exact) ** 2)) for depth in (page_depth, rounded))
    assert 0 < page_error < 1.5 * error


def wrong_files(folder: Path) -> Iterator[tuple[str, list[Path], str]]:
    """What it is, the files, and how the sentence goes on."""

    def changed(path: Path, key: str, value: str | None, name: str) -> Path:
        model = onnx.load(path)
        entries = [
            entry for entry in model.metadata_props if value is not None or not entry.key.startswith("dptscope.")
        ]
        for entry in entries:
            if entry.key == f"dptscope.{key}":
                entry.value = str(value)
        del model.metadata_props[:]
        model.metadata_props.extend(entries)
        onnx.save(model, folder / name)
        return folder / name

    text = folder / "notes.onnx"
    text.write_text("no model at all")
    yield "no model", [text], "expected an ONNX model, got something else or a damaged one."
    cut = folder / "cut.onnx"
    cut.write_bytes(TINY.read_bytes()[:-100])
    yield "half a model", [cut], "expected an ONNX model, got something else or a damaged one."
    other = changed(TINY, "", None, "other.onnx")
    yield "another exporter's", [other], "expected a model exported by dptscope, got an ONNX file of something else"
    newer = changed(TINY, "contract", "99", "newer.onnx")
    yield (
        "a contract of the future",
        [newer],
        "expected contract 1 or 2, got 99; make this page again with a newer dptscope.",
    )
    companion = changed(TINY.with_suffix(".fusion.onnx"), "model_id", "another", "stranger.fusion.onnx")
    yield "another's companion", [companion], "expected the fusion companion of "
    checkpoint = folder / "weights.pth"
    checkpoint.write_bytes(b"PK")
    yield "a checkpoint", [checkpoint], "this is a checkpoint; make a model of it with dptscope export first."
    broken = folder / "broken.png"
    broken.write_bytes(ASTRONAUT.read_bytes()[:40])
    yield "half a photo", [broken], "expected a photo (JPEG, PNG, …), got something that this browser cannot read"


def test_wrong_files_are_one_sentence(page: Page, tmp_path: Path) -> None:
    """And what was shown stays."""
    before = page.locator("#model-name").text_content(), page.locator("#photo-name").text_content()
    for what, files, sentence in wrong_files(tmp_path):
        drop(page, files)
        said = page.locator("#problem span").text_content() or ""
        assert said.startswith(f"{files[0].name}: {sentence}"), (what, said)
        assert said.count(". ") == 0 and said.endswith(".")
    assert before == (page.locator("#model-name").text_content(), page.locator("#photo-name").text_content())
    drop(page, [tmp_path / "broken.png", ASTRONAUT])
    assert (page.locator("#problem span").text_content() or "").startswith("broken.png: ")
    assert page.locator("#photo-name").text_content() == "astronaut.png"
    page.get_by_role("button", name="Close this message").click()
    assert page.locator("#norms, #fusion").locator("visible=true").count() == 1


def test_photo_first_then_the_model(browser: Browser, tmp_path: Path) -> None:
    """A page without a model: the photo waits; files that belong to the model come one after the other."""
    path = tmp_path / "empty.html"
    assert cli.run(["page", "--without-model", "-o", str(path)]) == 0
    said: list[str] = []
    page = open_page(browser, path.as_uri(), said)
    drop(page, [ASTRONAUT])
    page.get_by_text("Choose a model first").wait_for()
    drop(page, [TINY])
    page.get_by_text("no companion: a slider runs the whole model").wait_for()
    assert page.locator(".tile").count() == 4
    drop(page, [TINY.with_suffix(".preview.onnx"), TINY.with_suffix(".fusion.onnx")])
    assert page.locator("#model-name").text_content() == "tiny · vit-64x4"
    assert said == []
    page.close()


def test_everybody_can_use_it(page: Page) -> None:
    """axe-core finds nothing in either view, nor in the help; keys alone move over tokens and sliders."""
    for view in ("Norms", "Fusion"):
        show(page, view)
        found = Axe().run(page).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
    page.locator("#scale-1").focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator("#scale-1").input_value() == "0.99"
    page.keyboard.press("z")
    page.keyboard.press("v")
    page.locator("#map").focus()
    for key in ("Home", "ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
    page.get_by_text("norm ").first.wait_for()
    page.keyboard.press("h")
    page.get_by_role("dialog", name="Keys").wait_for()
    assert Axe().run(page).response["violations"] == []
    page.keyboard.press("Escape")


def test_the_contracts_lines(browser: Browser) -> None:
    """Those of ``docs/contract.md``: metadata out, optional inputs required."""
    (source,) = re.findall(r"```js\n(.*?)```", (ROOT / "docs" / "contract.md").read_text(encoding="utf-8"), re.DOTALL)
    page = browser.new_page()
    found, changed = page.evaluate(
        """([source, text]) => {
            const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
            const found = new Function("bytes", `${source}; return prepare(bytes)`)(bytes);
            return [found, Array.from(bytes)];
        }""",
        [source, base64.b64encode(TINY.read_bytes()).decode()],
    )
    page.close()
    before, after = onnx.load(TINY), onnx.load_from_string(bytes(changed))
    scales = {f"fusion_scale_{k}" for k in (1, 2, 3, 4)}
    assert found["metadata"] == {entry.key: entry.value for entry in before.metadata_props}
    assert set(found["optional"]) == scales
    weights = [{weight.name for weight in model.graph.initializer} for model in (before, after)]
    assert weights[0] - weights[1] == scales
    assert scales <= {value.name for value in after.graph.input}


def test_served_with_threads(browser: Browser) -> None:
    """The two headers are there, so that onnxruntime has threads."""
    command = [sys.executable, "-m", "dptscope", "page", "--serve", str(TINY), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().split()[0]
            said: list[str] = []
            page = open_page(browser, address, said)
            page.get_by_role("button", name="astronaut.png").click()
            page.get_by_text("threads").wait_for()
            assert page.evaluate("crossOriginIsolated")
            assert [text for text in said if text != "No available adapters."] == []  # of this machine, for WebGPU
            page.close()
        finally:
            process.terminate()
