"""What the page takes in Chromium, and the same model native beside it.

    python benchmarks/page.py [MODEL.onnx …] [--rounds 15] [--loads 5] [--photo PHOTO]

The shipped model where none is named; ``python -m benchmarks vits --make`` makes a ViT-S with random weights. Each model is
measured in a served page, which has threads, and in a page from a file, which has one; native with as many threads. All four
take their turns in every round: times are medians, ratios medians of the ratios within rounds. In the page a time runs from
the event to the last change of the document, without the screen's next frame; native is what the window does for the same:
read, prepare, run, and draw in colour at the model's size; of similarities, the numbers alone.
"""

from __future__ import annotations

import argparse
import base64
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from playwright.sync_api import Browser, Page
from support.browser import at_rest, chromium, open_page

import dptscope
from dptscope.commands import demo
from dptscope.files.photos import read_image
from dptscope.pictures.depth import depth_picture
from dptscope.scales import UNSCALED, FusionScales
from dptscope.tokens import similarity
from dptscope_page.document import LARGEST_INSIDE, contents, whole_page
from dptscope_view.detail import Detail

LOAD, FIRST = "open the model", "first photo: depth and norms"
STEPS = (
    "another photo: depth and norms",
    "preview while a slider is dragged",
    "full depth when it is let go",
    "pointer over a token: marks, charts, words",
    "… similarity to it in all blocks",
)
PHOTO, PREVIEW, FULL, HOVER, SIMILAR = STEPS

# From an event to the change of an element that every drawing ends with.
MEASURE = """
window.measure = async (selector, act, done = () => true) => {
    const element = document.querySelector(selector);
    const end = new Promise((resolve) => {
        const seen = () => {
            if (!done(element)) return;
            observer.disconnect();
            resolve(performance.now());
        };
        const observer = new MutationObserver(seen);
        observer.observe(element, { attributes: true, childList: true });
    });
    const begin = performance.now();
    act();
    return (await end) - begin;
};
window.given = (text, name) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name));
    const drop = () => document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true }));
    return window.measure("body", drop, (body) => body.getAttribute("aria-busy") === "false");
};
window.moved = (value) => {
    const slider = document.getElementById("scale-2");
    const act = () => {
        slider.value = value;
        slider.dispatchEvent(new Event("input"));
    };
    return window.measure("#depth", act, ({ dataset }) => dataset.coarse === "true");
};
window.released = async () => {
    const slider = document.getElementById("scale-2");
    const act = () => slider.dispatchEvent(new Event("change"));
    const taken = await window.measure("#depth", act, ({ dataset }) => dataset.coarse === "false");
    document.getElementById("reset").click(); // or the next view of it would begin with a run
    return taken;
};
window.pointed = (selector, x, y) => {
    const map = document.getElementById("map");
    const { left, top, width, height } = map.getBoundingClientRect();
    const place = { clientX: left + x * width, clientY: top + y * height };
    return window.measure(selector, () => map.dispatchEvent(new PointerEvent("pointermove", place)));
};
"""


class InPage:
    """The steps in a page that shows a model."""

    def __init__(self, open_it: Callable[[], Page], photo: Path) -> None:
        begin = time.perf_counter()
        self.page = open_it()
        self.load = (time.perf_counter() - begin) * 1000
        self.page.evaluate(f"() => {{{MEASURE}}}")
        self.photo = [base64.b64encode(photo.read_bytes()).decode(), photo.name]
        self.first = self.run(PHOTO, 0)
        facts = self.page.locator("#facts").text_content() or ""
        self.threads = int(re.findall(r"(\d+) thread", facts)[0])

    def run(self, step: str, number: int) -> float:
        """Milliseconds of a step."""
        if step == PHOTO:
            return float(self.page.evaluate("([text, name]) => window.given(text, name)", self.photo))
        if step == PREVIEW:
            self.page.locator("#view-fusion").click()
            self.page.evaluate("window.moved(0.1)")  # the first of a drag takes the detail from the last full depth
            return float(self.page.evaluate("(value) => window.moved(value)", _scale(number)))
        if step == FULL:
            return float(self.page.evaluate("window.released()"))
        self.page.locator("#view-norms").click()
        self.page.locator("#show-similarity" if step == SIMILAR else "#show-norm").click()
        self.page.wait_for_timeout(300)  # what it begins with is drawn
        where = ["#block-title" if step == SIMILAR else "#readout", *_place(number)]
        return float(self.page.evaluate("([selector, x, y]) => window.pointed(selector, x, y)", where))


class Native:
    """The same steps in Python."""

    def __init__(self, model: Path, threads: int, photo: Path) -> None:
        begin = time.perf_counter()
        self.model = dptscope.load(model, threads=threads)
        self.load = (time.perf_counter() - begin) * 1000
        self.photo = photo
        self.first = self.run(PHOTO, 0)
        self.detail = Detail(self.scene.raw_depth(), self.scene.preview_depth(UNSCALED))

    def run(self, step: str, number: int) -> float:
        """Milliseconds of a step."""
        begin = time.perf_counter()
        if step == PHOTO:
            self.scene = self.model.prepare(read_image(self.photo), keep_tokens=True)
            self.scene.statistics()
            self._draw(UNSCALED)
        elif step == PREVIEW:
            self._draw((1.0, _scale(number), 1.0, 1.0), preview=True)
        elif step == FULL:
            self._draw((1.0, _scale(number), 1.0, 1.0))
        elif step == SIMILAR:
            x, y = _place(number)
            for tokens_hwc, norms_hw in zip(self.scene.block_tokens, self.scene.block_norms, strict=True):
                similarity(tokens_hwc, (int(y * norms_hw.shape[0]), int(x * norms_hw.shape[1])), norms_hw)
        return (time.perf_counter() - begin) * 1000

    def _draw(self, scales: FusionScales, preview: bool = False) -> None:
        scene = self.scene
        depth_hw = self.detail.added_to(scene.preview_depth(scales)) if preview else scene.raw_depth(scales)
        depth_picture(depth_hw, self.model.card.depth_kind)


def _scale(number: int) -> float:
    return round(0.3 + 0.05 * (number % 10), 2)


def _place(number: int) -> tuple[float, float]:
    return 0.05 + 0.9 * (number * 3 % 7) / 7, 0.05 + 0.9 * (number * 2 % 5) / 5


@contextmanager
def served(model: Path) -> Iterator[str]:
    """The address of ``dptscope page --serve``."""
    command = [sys.executable, "-m", "dptscope", "page", "--serve", str(model), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[0]
        finally:
            process.terminate()


def from_file(browser: Browser, model: Path, folder: Path) -> Callable[[], Page]:
    """Open a page from a file; a model that is too large to lie in it is chosen there."""
    inside = contents(model)
    too_large = sum(content.size() for content in inside if content.role == "model") > LARGEST_INSIDE
    path = folder / "page.html"
    path.write_bytes(whole_page(contents(None) if too_large else inside))

    def open_it() -> Page:
        page = open_page(browser, path.as_uri(), [])
        if too_large:
            page.locator("#model-input").set_input_files([each.path for each in inside if each.role == "model"])
            at_rest(page)
        return page

    return open_it


def measure(browser: Browser, model: Path, photo: Path, rounds: int, loads: int) -> None:
    """Print a model's table."""
    taken: dict[str, list[list[float]]] = {}  # a row of four a round
    with served(model) as address, tempfile.TemporaryDirectory() as folder:
        ways = [lambda: open_page(browser, address, []), from_file(browser, model, Path(folder))]
        pages: list[InPage] = []
        for _ in range(loads):
            for in_page in pages:
                in_page.page.close()
            pages, four = [], []
            for way in ways:
                pages.append(InPage(way, photo))
                four += [pages[-1], Native(model, pages[-1].threads, photo)]
            taken.setdefault(LOAD, []).append([each.load for each in four])
            taken.setdefault(FIRST, []).append([each.first for each in four])
        for number in range(1, rounds + 1):
            for step in STEPS:
                taken.setdefault(step, []).append([each.run(step, number) for each in four])
        for in_page in pages:
            in_page.page.close()
    show(f"{model.name}, {photo.name}", f"{pages[0].threads} threads", taken)


def show(heading: str, threads: str, taken: dict[str, list[list[float]]]) -> None:
    """A line a step: with threads and without, each in the page, native, and their ratio."""
    print(f"{heading}\n{'milliseconds':<46}{'served, ' + threads:>20}{'native':>9}{'ratio':>8}", end="")
    print(f"{'file, 1 thread':>18}{'native':>9}{'ratio':>8}")
    for step, rows in taken.items():
        print(f"{step:<46}", end="")
        for page, native, wide in ((0, 1, 20), (2, 3, 18)):
            ours, theirs = ([row[index] for row in rows] for index in (page, native))
            print(f"{statistics.median(ours):>{wide}.1f}", end="")
            if step == HOVER:  # the window draws itself in another way: see window.py
                print(f"{'':>17}", end="")
                continue
            ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
            print(f"{statistics.median(theirs):>9.1f}{ratio:>8.2f}", end="")
        print()
    print()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*", type=Path, default=[demo.MODEL])
    parser.add_argument("--photo", type=Path, default=demo.ASSETS / "photos" / "astronaut.png")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--loads", type=int, default=5)
    options = parser.parse_args()
    with chromium() as browser:
        for model in options.models:
            measure(browser, model, options.photo, options.rounds, options.loads)


if __name__ == "__main__":
    main()
