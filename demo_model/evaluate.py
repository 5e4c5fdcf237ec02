"""The figures of a trained model: ``python -m demo_model.evaluate WEIGHTS.safetensors [--json OUT.json]``.

Three parts: scenes that were never trained on, the one photo with measured depth, and hand-placed point pairs on three sets
of eight photos. Each against baselines that look at no pixel: a constant, and a vertical ramp fitted to the truth of each
picture.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from demo_model.files import write_atomically
from demo_model.metrics import mean_scores, scores
from demo_model.photos import Photo, motorcycle, paired_photos
from demo_model.predictors import Predictor, constant_baseline, load_predictor, ramp_baseline
from demo_model.scenes.compose import HELD_OUT_SEED, HELD_OUT_VERSION, render_scene
from demo_model.scenes.sheet import depth_picture

Array = np.ndarray
Scores = dict[str, float]
Answers = dict[str, list[bool]]
FEW = 60
PARTS = ("photos", "further_photos", "later_photos")
OTHER_SIZES = (168, 266, 322, 420, 518)
"""Shorter sides, in pixels, at which the photos are looked at, too."""
SHEET_HEIGHT = 240
_NEIGHBOURS = 3  # a point's value is the median of a small square, so that one pixel off at an edge does not decide


def on_scenes(predictors: dict[str, Predictor], first: int, count: int, size: int) -> dict[str, list[Scores]]:
    """Scores on each of ``count`` scenes from the seed ``first`` on, ``size`` pixels square; the sky is left out."""
    collected: dict[str, list[Scores]] = {name: [] for name in predictors}
    for seed in range(first, first + count):
        rgb, inverse_hw = render_scene(seed, (size, size))
        for name, predict in predictors.items():
            collected[name].append(scores(predict(rgb), inverse_hw, inverse_hw > 0))
    return collected


def on_motorcycle(predictors: dict[str, Predictor]) -> dict[str, Scores]:
    """Scores on the photo with measured disparity, where it was measured."""
    rgb, disparity_hw = motorcycle()
    valid_hw = np.isfinite(disparity_hw) & (disparity_hw > 0)
    truth_hw = np.where(valid_hw, disparity_hw, 0)
    return {name: scores(predict(rgb), truth_hw, valid_hw) for name, predict in predictors.items()}


def in_order(depth_hw: Array, photo: Photo) -> list[bool]:
    """Whether each pair has the nearer point at the larger inverse depth."""
    height, width = depth_hw.shape

    def value(x: float, y: float) -> float:
        column, row = int(x * width), int(y * height)
        rows = slice(max(row - _NEIGHBOURS, 0), row + _NEIGHBOURS + 1)
        return float(np.median(depth_hw[rows, max(column - _NEIGHBOURS, 0) : column + _NEIGHBOURS + 1]))

    return [value(*pair[:2]) > value(*pair[2:]) for pair in photo.pairs_n4]


def on_pairs(predict: Predictor, part: str) -> Answers:
    """:func:`in_order` of each of :func:`paired_photos`, by name."""
    return {photo.name: in_order(predict(photo.rgb), photo) for photo in paired_photos(part)}


def shares(answers: Answers) -> dict[str, float]:
    """Share of pairs in the right order, of each photo and of all their pairs."""
    each = {photo: float(np.mean(right)) for photo, right in answers.items()}
    return each | {"all pairs": float(np.mean(_joined(answers)))}


def told_apart(model: Answers, lower: Answers) -> tuple[tuple[int, int], ...]:
    """How many pairs the model has right, of how many: where the lower point is the farther one, and where it is not."""
    right, where = _joined(model), _joined(lower)
    return tuple((int(right[of].sum()), int(of.sum())) for of in (~where, where))


def _joined(answers: Answers) -> Array:
    return np.concatenate(list(answers.values()))


def at_size(predict: Predictor) -> Scores:
    """Shares of pairs in the right order, and AbsRel of the motorcycle."""
    figures = {part: shares(on_pairs(predict, part))["all pairs"] for part in PARTS}
    return figures | {"motorcycle": on_motorcycle({"model": predict})["model"]["abs_rel"]}


def sheet(predict: Predictor) -> Array:
    """(H, W, 3) uint8 BGR: every photo with pairs beside its depth, and an arrow from the nearer to the farther point of each
    pair that is in the wrong order."""
    rows = []
    for photo in (photo for part in PARTS for photo in paired_photos(part)):
        depth_hw = predict(photo.rgb)
        halves = [photo.rgb[..., ::-1].copy(), depth_picture(depth_hw)]
        ends_n4 = photo.pairs_n4[~np.array(in_order(depth_hw, photo))] * (2 * depth_hw.shape[::-1])
        for half, (*near, x, y) in itertools.product(halves, ends_n4.astype(int).tolist()):
            cv2.arrowedLine(half, near, (x, y), (0, 255, 0), 2, cv2.LINE_AA)
        scale = SHEET_HEIGHT / depth_hw.shape[0]
        row = cv2.resize(np.hstack(halves), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        rows.append(np.pad(row, ((0, 0), (0, max(4 * SHEET_HEIGHT - row.shape[1], 0)), (0, 0))))
    rows += [np.zeros_like(rows[0])] * (len(rows) % 2)
    return np.hstack([np.vstack(rows[part::2]) for part in range(2)])


def table(title: str, rows: dict[str, Scores]) -> Table:
    """One row a predictor, one column a figure."""
    columns = list(next(iter(rows.values())))
    made = Table("", *columns, title=title)
    for name, values in rows.items():
        made.add_row(name, *(f"{values[column]:.3f}" for column in columns))
    return made


def transposed(rows: dict[str, Scores]) -> dict[str, Scores]:
    return {column: {name: values[column] for name, values in rows.items()} for column in next(iter(rows.values()))}


def main(
    weights: Annotated[Path, typer.Argument(help="A .safetensors in the published layout, or an exported .onnx.")],
    scenes: Annotated[int, typer.Option(help="How many scenes.")] = 400,
    first: Annotated[
        int, typer.Option(help="Seed of the first. Those below the default are of the mix that is trained on.")
    ] = HELD_OUT_SEED,
    scene_size: int = 224,
    size: Annotated[int, typer.Option(help="The shorter side at which the model sees a picture, in pixels.")] = 224,
    out: Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")] = None,
    sheet_out: Annotated[
        Path | None, typer.Option("--sheet", help="Also draw the photos beside their depth, as PNG.")
    ] = None,
) -> None:
    """Measure and print."""
    model = load_predictor(weights, size)
    against: dict[str, Predictor] = {"model": model, "ramp": ramp_baseline, "constant": constant_baseline}
    on_each = on_scenes(against, first, scenes, scene_size)
    asked = {"model": model, "lower is nearer": ramp_baseline}
    answers = {part: {name: on_pairs(predict, part) for name, predict in asked.items()} for part in PARTS}
    figures: dict[str, Any] = {
        "weights": weights.name,
        "size": size,
        "data_version": HELD_OUT_VERSION,
        "held_out": {
            "first_seed": first,
            "count": scenes,
            "size": scene_size,
            **{name: mean_scores(values) for name, values in on_each.items()},
        },
        # What a quick check can compare itself with.
        f"first_{FEW}": {name: mean_scores(values[:FEW]) for name, values in on_each.items()},
        "motorcycle": on_motorcycle(against),
        "pairs": {part: {name: shares(right) for name, right in of.items()} for part, of in answers.items()},
        "told_apart": {part: told_apart(*of.values()) for part, of in answers.items()},
        "other_sizes": {str(side): at_size(load_predictor(weights, side)) for side in OTHER_SIZES},
    }
    console = Console()
    rows = {name: figures["held_out"][name] for name in against}
    console.print(table(f"{scenes} scenes from seed {first} on, at {scene_size} px", rows))
    console.print(table("motorcycle photo, measured depth", figures["motorcycle"]))
    for part in PARTS:
        console.print(
            table(f"point pairs in the right order, {part.replace('_', ' ')}", transposed(figures["pairs"][part]))
        )
    if out is not None:
        write_atomically(out, lambda path: path.write_text(json.dumps(figures, indent=1) + "\n"))
    if sheet_out is not None:
        _, png = cv2.imencode(".png", sheet(model))
        write_atomically(sheet_out, lambda path: path.write_bytes(png.tobytes()))


if __name__ == "__main__":
    typer.run(main)
