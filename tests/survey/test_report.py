"""The page of a survey: its numbers are right, and a real browser shows it. Needs /usr/bin/chromium."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, sync_playwright
from support.surveys import write_survey

from dptscope.commands import app as cli
from dptscope_survey.report.numbers import Numbers, overlaps, read_numbers
from dptscope_survey.report.page import _spans
from dptscope_survey.report.unusual import ends

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]


@pytest.fixture(scope="module")
def folder(photos: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A survey of all photos, whose names need care, and its report."""
    output = tmp_path_factory.mktemp("report")
    odd = output / "<b>&.png"
    odd.write_bytes((photos / "photo_0.png").read_bytes())
    write_survey(output, model, [*sorted(photos.glob("*.png")), odd], size=140)
    assert cli.run(["survey", "report", str(output)]) == 0
    return output


@pytest.fixture(scope="module")
def page(folder: Path) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        shown = browser.new_page(viewport={"width": 1280, "height": 900})
        wrong: list[str] = []
        shown.on("pageerror", lambda error: wrong.append(str(error)))
        shown.on("request", lambda request: wrong.append(request.url) if request.url.startswith("http") else None)
        shown.goto(f"file://{folder / 'report.html'}")
        yield shown
        assert not wrong
        browser.close()


def test_the_browser_shows_it(page: Page, folder: Path) -> None:
    """Every picture is decoded and wide enough to read, nothing hangs over the edge, and names are text."""
    titles = page.locator("h2").all_text_contents()
    assert titles == [
        "Norms over depth", "Outliers", "Where they sit", "The fusion blocks", "Depth", "Most unusual photos",
        "Least unusual photos", "Block by block",
    ]  # fmt: skip
    sizes = page.evaluate("[...document.images].map(i => [i.naturalWidth, i.clientWidth, i.clientHeight])")
    assert len(sizes) == 5 + 6 and all(width > 200 and shown > 200 and height > 30 for width, shown, height in sizes)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.locator("header p").text_content() == "7 photos at size 140; 1 could not be read. 12 blocks."
    names = page.locator("figcaption b").all_text_contents()
    assert len(names) == len(set(names)) == 6
    assert not page.locator("figcaption b b").count()
    cells = page.locator("tr").nth(1).locator("td").all_text_contents()
    numbers = read_numbers(folder)
    assert cells[1] == f"{np.median(numbers.norms_pb['median'][:, 0]):.4g}"
    have = (numbers.norms_pb["outliers"][:, 0] > 0).mean()
    assert cells[3] == f"{100 * have:.1f} %"
    page.set_viewport_size({"width": 390, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.evaluate("document.querySelector('.chart > img').clientWidth") > 600  # legible, and scrolled
    page.set_viewport_size({"width": 1280, "height": 900})


def test_the_charts_are_there_as_files(folder: Path) -> None:
    for name in ("norms", "outliers", "places", "fusion", "depth"):
        chart = cv2.imread(str(folder / f"report_{name}.png"))
        assert chart is not None and chart.shape[1] > 1400
        assert chart.std() > 10  # something is drawn
    assert len(list(folder.glob("report*"))) == 6


def test_without_model_and_photos(
    photos: Path, model: Path, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page says what it cannot show."""
    manifest = json.loads((folder / "survey.json").read_text()) | {"model_path": str(tmp_path / "gone.onnx")}
    (tmp_path / "survey.json").write_text(json.dumps(manifest))
    for chart in ("norms", "outliers", "places"):
        monkeypatch.setattr(f"dptscope_survey.report.charts.{chart}_chart", lambda *_: b"")  # drawn above
    for table in folder.glob("part-*"):
        (tmp_path / table.name).write_bytes(table.read_bytes())
    assert cli.run(["survey", "report", str(tmp_path)]) == 0
    html = (tmp_path / "report.html").read_text()
    assert "gone.onnx: no such file" in html and html.count("The photo could not be drawn") == 6
    assert "The fusion blocks" not in html


def test_no_outliers(tmp_path: Path, folder: Path) -> None:
    """There is nothing to draw a map of."""
    manifest = json.loads((folder / "survey.json").read_text()) | {"model_path": str(tmp_path / "gone.onnx")}
    manifest["options"]["size"] = None
    (tmp_path / "survey.json").write_text(json.dumps(manifest))
    none = {"outliers": 0, "outlier_rows": [], "outlier_columns": []}
    part = min(folder.glob("part-*"), key=lambda file: not file.stat().st_size)
    lines = [json.dumps(json.loads(line) | none) for line in part.open()]
    (tmp_path / part.name).write_text("\n".join(lines))
    assert cli.run(["survey", "report", str(tmp_path)]) == 0
    html = (tmp_path / "report.html").read_text()
    assert "No photo has an outlier in any block" in html and 'id="places"' not in html
    assert "<p>1 photo at size 224; 7 of 8 still to come." in html


def test_refusals(tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["survey", "report", str(tmp_path)]) == 2
    assert f"{tmp_path / 'survey.json'}: expected the folder of a survey" in capsys.readouterr().err
    (tmp_path / "survey.json").write_bytes((folder / "survey.json").read_bytes())
    assert cli.run(["survey", "report", str(tmp_path)]) == 2
    assert "got none with a photo in it" in capsys.readouterr().err
    (tmp_path / "part-00000.jsonl").write_text("{}\n")
    assert cli.run(["survey", "report", str(tmp_path)]) == 2
    assert f"{tmp_path / 'part-00000.jsonl'}: expected a table of a survey" in capsys.readouterr().err
    photos = json.loads((folder / "survey.json").read_text())["photos"]
    (tmp_path / "failed.jsonl").write_text("".join(json.dumps({"photo": p, "reason": "broken"}) + "\n" for p in photos))
    assert cli.run(["survey", "report", str(tmp_path)]) == 2
    assert "got one without: all failed, see failed.jsonl" in capsys.readouterr().err
    assert not list(tmp_path.glob("report*"))


@pytest.mark.parametrize("cells", [1, 7, 16, 24, 37, 74])
def test_grids_of_any_shape_cover_the_map(cells: int) -> None:
    """Every cell of the map is covered once, and every cell of the grid counts as much."""
    shares = overlaps(cells)
    assert shares.sum(axis=1) == pytest.approx(1)
    assert shares.sum(axis=0) == pytest.approx(24 / cells)


def line(photo: str, grid: tuple[int, int], places: list[tuple[int, int]], **values: float) -> str:
    numbers = {
        "min": 1.0,
        "median": 2.0,
        "max": 3.0,
        "mean": 2.0,
        "cls_norm": None,
        "register_norms": [4.0, 5.0],
    } | values
    return json.dumps(
        {
            "photo": photo,
            "block": 0,
            "grid_height": grid[0],
            "grid_width": grid[1],
            "outliers": len(places),
            "outlier_rows": [row for row, _ in places],
            "outlier_columns": [column for _, column in places],
            **numbers,
        }
    )


def test_places_of_photos_of_different_shapes(tmp_path: Path) -> None:
    """The upper left sixteenth, in a square photo, a tall one with finer patches, and one without outliers."""
    fine = [(row, column) for row in range(4) for column in range(2)]
    lines = [line("a", (4, 4), [(0, 0)]), line("b", (16, 8), fine), line("c", (4, 8), [])]
    (tmp_path / "part-00000.jsonl").write_text("\n".join(lines))
    (tmp_path / "part-00001.jsonl").write_text("")
    (tmp_path / "part-00002.jsonl").write_text(line("d", (4, 4), [(3, 3)]))
    numbers = read_numbers(tmp_path)
    assert numbers.photos == ["a", "b", "c", "d"]
    expected = np.zeros((24, 24))
    expected[:6, :6], expected[18:, 18:] = 2 / 4, 1 / 4
    assert numbers.places_bhw[0] == pytest.approx(expected)
    assert numbers.norms_pb["share"].ravel() == pytest.approx([1 / 16, 8 / 128, 0, 1 / 16])
    assert "cls_norm" not in numbers.norms_pb
    assert (numbers.norms_pb["register 0"] == 4).all() and numbers.norms_pb["register 1"].shape == (4, 1)


def test_outliers_that_gather_and_outliers_that_do_not() -> None:
    random = np.random.default_rng(0)
    corner, anywhere = np.zeros((24, 24)), random.poisson(0.05, (2, 24, 24)).astype(float)
    corner[:4, :4] = 1
    halves = np.stack([[corner, anywhere[0], 0 * corner], [corner, anywhere[1], 0 * corner]])
    gathered = Numbers(["a", "b"], {}, halves).gathered()
    assert gathered[0] == 1 and gathered[1] < 0.25 and np.isnan(gathered[2])


def test_who_is_unusual() -> None:
    random = np.random.default_rng(0)
    usual = 100 + random.normal(size=(50, 4))
    norms = {"median": usual.copy(), "max": 2 * usual, "outliers": np.zeros((50, 4))}
    norms["median"][7] *= 2
    norms["outliers"][31, 2] = 40
    most, least = ends(Numbers([str(n) for n in range(50)], norms, np.zeros((2, 4, 24, 24))))
    assert set(most[:2]) == {7, 31} and len(most) == len(least) == 10 and not set(most) & set(least)
    few = Numbers(["a", "b", "c"], {name: values[:3] for name, values in norms.items()}, np.zeros((2, 4, 24, 24)))
    assert [len(end) for end in ends(few)] == [1, 1]


def test_blocks_in_words() -> None:
    assert _spans([3]) == "block 3"
    assert _spans([0, 1, 2, 5]) == "blocks 0 to 2 and 5"
    assert _spans([0, 2, 4, 5]) == "blocks 0, 2 and 4 to 5"
