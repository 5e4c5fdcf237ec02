"""The page of a survey: what it found in words, charts, and the photos at either end, in one HTML file."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from dptscope.errors import DptscopeError
from dptscope.files.atomic import write_file
from dptscope_survey.folder import FAILED, failures, read_manifest
from dptscope_survey.photos import counted
from dptscope_survey.report import charts
from dptscope_survey.report.numbers import Numbers, read_depths, read_fusion, read_numbers
from dptscope_survey.report.style import PAGE
from dptscope_survey.report.unusual import Illustrator, Shown, drawn_blocks, ends

HALF = 0.5  # of the photos: from then on a block is said to have outliers

_MEANINGS = {"relative": "inverse, larger is nearer", "distance": "up to a factor", "metric": "metres"}


def write_report(folder: Path) -> list[Path]:
    """Write ``report.html`` and its charts as ``report_NAME.png`` into the folder of a survey; returns their paths.

    Raises:
        DptscopeError: no survey is there, or the folder cannot be written to.
    """
    manifest = read_manifest(folder)
    failed = failures(folder)
    if len(failed) == len(manifest["photos"]):
        raise DptscopeError(f"{folder}: expected a survey of photos, got one without: all failed, see {FAILED}")
    numbers = read_numbers(folder)
    about = manifest["about"]
    sections = [
        (
            "norms",
            "Norms over depth",
            charts.norms_chart(numbers, about["taps"]),
            "Lines: the median photo. Bands: 5 to 95 % of the photos. Grey: the blocks that the decoder reads.",
        ),
        ("outliers", "Outliers", charts.outliers_chart(numbers), f"{_onset(numbers)} The rule: {about['rule']}."),
    ]
    if numbers.norms_pb["outliers"].any():
        sections.append(
            (
                "places",
                "Where they sit",
                charts.places_chart(numbers),
                f"{_gathering(numbers)} Photos of all shapes are laid onto one picture, each patch by its area.",
            )
        )
    fusion, depths = read_fusion(folder), read_depths(folder)
    if fusion is not None:
        sections.append(
            (
                "fusion",
                "The fusion blocks",
                charts.fusion_chart(fusion),
                "Dots: the median photo. Bars: 5 to 95 % of the photos. Depths are compared after their scale and shift are "
                "aligned. Edges: the steepest 5 % of the depth's pixels.",
            )
        )
    if depths is not None:
        sections.append(("depth", "Depth", charts.depth_chart(depths, _MEANINGS[about["depth_kind"]]), _DEPTH))
    illustrator = Illustrator(manifest)
    maps = f"Maps: the norms of {_spans(drawn_blocks(len(about['blocks'])))}, each on a scale of its own, outliers in pink."
    most, least = ends(numbers)
    body = "".join(_section(*section) for section in sections)
    for title, places, words in (
        ("Most unusual photos", most, f"{_UNUSUAL} {maps}"),
        ("Least unusual photos", least, f"As near to the median photo as any. {maps}"),
    ):
        if places:
            body += _photos(title, words, illustrator.problem, list(illustrator.shown(numbers, places)))
    body += _table(numbers)
    page = PAGE.format(
        title=escape(f"{about['variant']} {about['architecture']}"),
        lead=escape(_lead(manifest, numbers, len(failed))),
        body=body,
        foot=escape(f"dptscope {about['dptscope']}, onnxruntime {about['onnxruntime']}, model {about['model_id']}"),
    )
    charts_written = [write_file(folder / f"report_{name}.png", png) for name, _, png, _ in sections]
    return [write_file(folder / "report.html", page.encode()), *charts_written]


_DEPTH = "At the model's input size, as the model gives it: no scale or shift is aligned."
_UNUSUAL = (
    "How far a photo lies from the median photo in median norm, longest token and number of outliers, in robust standard "
    "deviations of the survey, over all blocks."
)


def _lead(manifest: dict[str, Any], numbers: Numbers, failed: int) -> str:
    about, options = manifest["about"], manifest["options"]
    # One number is the size of the shorter side (or the longer one, as the model has it), for photos keep their aspect.
    size = options["size"] or " × ".join(map(str, dict.fromkeys(about["native_size"])))
    asked = len(manifest["photos"])
    words = f"{counted(len(numbers.photos))} at size {size}{', square' if options['square'] else ''}"
    missing = asked - len(numbers.photos) - failed
    words += f"; {failed:,} could not be read" if failed else ""
    words += f"; {missing:,} of {asked:,} still to come" if missing > 0 else ""
    return f"{words}. {len(about['blocks'])} blocks."


def _onset(numbers: Numbers) -> str:
    """From which block on there are outliers."""
    have_b = (numbers.norms_pb["outliers"] > 0).mean(axis=0)
    often = [int(block) for block in np.flatnonzero(have_b >= HALF)]
    if not have_b.any():
        return "No photo has an outlier in any block."
    most = int(have_b.argmax())
    if not often:
        few = int((numbers.norms_pb["outliers"][:, most] > 0).sum())
        where = f"block {most} ({few:,} of {counted(len(numbers.photos))})"
        return f"In no block do half of the photos have outliers; they are most frequent in {where}."
    names = _spans(often)
    return f"At least half of the photos have outliers in {names}, most in block {most} ({100 * have_b[most]:.0f} %)."


def _spans(blocks: Sequence[int]) -> str:
    """``blocks 5 to 9 and 11``."""
    spans: list[list[int]] = []
    for block in blocks:
        if spans and block == spans[-1][1] + 1:
            spans[-1][1] = block
        else:
            spans.append([block, block])
    texts = [f"{first}" if first == last else f"{first} to {last}" for first, last in spans]
    joined = texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
    return f"block{'s' if len(blocks) > 1 else ''} {joined}"


def _gathering(numbers: Numbers) -> str:
    """Whether they sit at the same places in all photos."""
    gathered_b = numbers.gathered()
    if np.isnan(gathered_b).all():
        return "There are too few to say whether they sit at the same places."
    block = int(numbers.norms_pb["outliers"].sum(axis=0).argmax())
    block = block if not np.isnan(gathered_b[block]) else int(np.nanargmax(gathered_b))
    return (
        f"Of block {block}'s outliers {100 * gathered_b[block]:.0f} % sit in the tenth of the picture where they are most "
        "frequent (10 % if they sat anywhere; the tenth is found in half of the photos, the share in the other half)."
    )


def _section(name: str, title: str, png: bytes, words: str) -> str:
    return (
        f'<section id="{name}"><h2>{escape(title)}</h2><p>{escape(words)}</p>'
        f"{_wide(_image(png, title), 'chart')}</section>"
    )


def _image(png: bytes, alt: str) -> str:
    return f'<img src="data:image/png;base64,{base64.b64encode(png).decode()}" alt="{escape(alt)}">'


def _wide(body: str, kind: str = "") -> str:
    """What is wider than a narrow window scrolls in a frame of its own."""
    return f'<div class="wide {kind}" tabindex="0">{body}</div>'


def _photos(title: str, words: str, problem: str, shown: Iterable[Shown]) -> str:
    rows = "".join(_photo(photo) for photo in shown)
    note = f'<p class="note">Without pictures: {escape(problem)}</p>' if problem else ""
    return f'<section class="photos"><h2>{escape(title)}</h2><p>{escape(words)}</p>{note}{rows}</section>'


def _photo(shown: Shown) -> str:
    if shown.picture is None:
        picture = '<p class="note">The photo could not be drawn.</p>'
    else:
        picture = _wide(_image(shown.picture, f"{shown.photo} and its norms"))
    return (
        f"<figure><figcaption><b>{escape(shown.photo)}</b> <span>{shown.distance:.1f} σ</span> "
        f"{escape(shown.reason)}</figcaption>{picture}</figure>"
    )


def _table(numbers: Numbers) -> str:
    """The medians of all blocks."""
    norms = numbers.norms_pb
    gathered_b = numbers.gathered()
    columns = {
        "shortest token": [f"{value:.4g}" for value in np.median(norms["min"], axis=0)],
        "median token": [f"{value:.4g}" for value in np.median(norms["median"], axis=0)],
        "longest token": [f"{value:.4g}" for value in np.median(norms["max"], axis=0)],
        "photos with outliers": [f"{100 * value:.1f} %" for value in (norms["outliers"] > 0).mean(axis=0)],
        "outliers per photo": [f"{value:.2f}" for value in norms["outliers"].mean(axis=0)],
        "patches that are outliers": [f"{100 * value:.2f} %" for value in norms["share"].mean(axis=0)],
        "in the fullest tenth": ["–" if np.isnan(value) else f"{100 * value:.0f} %" for value in gathered_b],
    }
    head = "".join(f"<th>{name}</th>" for name in ("block", *columns))
    rows = "".join(
        f"<tr><th>{block}</th>{''.join(f'<td>{value}</td>' for value in values)}</tr>"
        for block, values in enumerate(zip(*columns.values(), strict=True))
    )
    table = f"<table><tr>{head}</tr>{rows}</table>"
    words = "Norms: medians over the photos. Fullest tenth: of the picture, where outliers are most frequent in other photos."
    return f"<section><h2>Block by block</h2><p>{words}</p>{_wide(table)}</section>"
