"""``dptscope open`` with a real browser: the graph is drawn, and its names are there. Needs /usr/bin/chromium."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import onnx_ir as ir
import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from support.browser import ARGUMENTS, CHROMIUM

from dptscope.commands import app as cli
from dptscope_export.graph.functions.extract import make_readable

TIMEOUT = 60_000  # milliseconds


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@contextmanager
def opened(model: Path, browser: Browser) -> Iterator[Page]:
    """The page that the command serves, with the graph drawn."""
    command = [sys.executable, "-m", "dptscope", "open", str(model), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"http://localhost:\d+", line)
            assert found, line
            page = browser.new_page(viewport={"width": 1400, "height": 1700})
            page.set_default_timeout(TIMEOUT)
            page.goto(found.group())
            page.get_by_text("Accept").click()  # netron asks for consent first
            page.wait_for_selector("#canvas .node")
            yield page
            page.close()
        finally:
            process.terminate()
            process.communicate(timeout=30)


def names(page: Page) -> list[str]:
    """The names of all nodes in the picture, as the pointer over a node shows them."""
    return [element.text_content() or "" for element in page.query_selector_all("#canvas .node-item-type title")]


def texts(page: Page) -> list[str]:
    return [element.text_content() or "" for element in page.query_selector_all("#canvas text")]


def test_the_flat_graph(tiny_model: Path, browser: Browser) -> None:
    """Every node is drawn, under the path of its module; inputs and outputs are there, and their meaning is said."""
    graph = onnx.load(tiny_model).graph
    with opened(tiny_model, browser) as page:
        shown = names(page)
        assert {node.name for node in graph.node if node.op_type != "Constant"} <= set(shown)
        assert "encoder/block_03/attention/qkv/MatMul" in shown
        assert {"image", "depth", "block_03_tokens", "fusion_input_4"} <= set(texts(page))
        page.keyboard.press("Control+Enter")  # properties of the model
        page.get_by_text("relative inverse depth (larger is nearer), or metres").first.wait_for()


def test_the_readable_graph(tiny_model: Path, tmp_path: Path, browser: Browser) -> None:
    """One node a block; a click on its function sign opens the body."""
    model = ir.load(tiny_model)
    make_readable(model)
    ir.save(model, tmp_path / "tiny.onnx")
    with opened(tmp_path / "tiny.onnx", browser) as page:
        shown = names(page)
        assert {f"encoder/block_{index:02d}" for index in range(4)} <= set(shown)
        assert {f"fusion/block_{k}" for k in (1, 2, 3, 4)} <= set(shown)
        assert "mlp/Gelu" not in shown
        block = page.locator("#canvas .node", has_text="TransformerBlock").first
        block.get_by_text("ƒ").click()
        page.wait_for_selector("#canvas .node-item-type:has(title:text-is('mlp/Gelu'))", state="attached")
        assert {"norm1/LayerNormalization", "mlp/fc1/MatMul"} <= set(names(page))


def test_errors_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.run(["open", str(tmp_path / "nothing.onnx")]) == 2
    assert capsys.readouterr().err.strip() == f"dptscope: {tmp_path / 'nothing.onnx'}: no such file"
    monkeypatch.setattr("dptscope.commands.extras.missing_packages", lambda extra: [extra])
    assert cli.run(["open", str(tmp_path)]) == 2
    assert "pip install 'dptscope[netron]'" in capsys.readouterr().err
