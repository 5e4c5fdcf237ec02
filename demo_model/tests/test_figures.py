"""``python -m demo_model.evaluate`` on the weights that ship gives the figures that the README and the record name."""

import hashlib
import itertools
import json
import re
from pathlib import Path

import pytest
from demo_model import evaluate
from demo_model.photos import paired_photos
from demo_model.predictors import ramp_baseline

from dptscope.commands.demo import CHECKPOINT

ROOT = Path(__file__).parents[2]
KEPT = json.loads((ROOT / "demo_model/figures.json").read_text())


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    out = tmp_path_factory.mktemp("figures") / "figures.json"
    evaluate.main(CHECKPOINT, scenes=evaluate.FEW, out=out)
    return json.loads(out.read_text())


def test_kept_figures_are_those_of_the_shipped_weights(measured):
    """On the first of the 400 scenes; the command itself takes minutes."""
    assert measured.keys() == KEPT.keys() and KEPT["held_out"]["count"] == 400
    for part in (f"first_{evaluate.FEW}", "motorcycle"):
        for name in ("model", "ramp", "constant"):
            assert measured[part][name] == pytest.approx(KEPT[part][name], abs=2e-3)
    for part, name in itertools.product(evaluate.PARTS, ("model", "lower is nearer")):
        # A pair whose two depths are nearly the same may fall the other way with another build of PyTorch.
        shares = KEPT["pairs"][part][name]
        assert measured["pairs"][part][name]["all pairs"] == pytest.approx(shares["all pairs"], abs=0.02)


def test_better_than_the_baselines_where_the_readme_says_so(measured):
    scenes = KEPT["held_out"]
    for baseline in ("ramp", "constant"):
        assert scenes["model"]["abs_rel"] < 0.8 * scenes[baseline]["abs_rel"]
        assert scenes["model"]["delta1"] > scenes[baseline]["delta1"] + 0.05
    for shares in measured["pairs"].values():
        assert shares["model"]["all pairs"] > shares["lower is nearer"]["all pairs"] + 0.2


def test_readme_names_these_figures():
    lines = (ROOT / "demo_model/README.md").read_text(encoding="utf-8").splitlines()
    names = {"held_out": "400 held-out scenes", "motorcycle": "one photo with measured depth"}
    for part, name in names.items():
        (line,) = (line for line in lines if line.startswith(f"| {name}"))
        wanted = [KEPT[part][who][figure] for who in ("model", "ramp", "constant") for figure in ("abs_rel", "delta1")]
        assert [float(number) for number in re.findall(r"0\.\d{3}", line)] == [round(value, 3) for value in wanted]
    for part, name in zip(evaluate.PARTS, ("109 hand-placed pairs", "110 on the eight further photos"), strict=True):
        (line,) = (line for line in lines if line.startswith(f"| {name}"))
        shares = [KEPT["pairs"][part][who]["all pairs"] for who in ("model", "lower is nearer")]
        assert re.findall(r"(\d+) %", line) == [f"{100 * share:.0f}" for share in shares]


@pytest.mark.parametrize("part", evaluate.PARTS)
def test_record_names_each_photos_pairs(part):
    record = (ROOT / "demo_model/RECORD.md").read_text(encoding="utf-8")
    model, lower = (KEPT["pairs"][part][who] for who in ("model", "lower is nearer"))
    for file in model.keys() - {"all pairs"}:
        assert f"| {file.partition('.')[0].removesuffix('_left')} | {model[file]:.3f} | {lower[file]:.3f} |" in record


def test_sheet_draws_an_arrow_where_a_pair_is_wrong(monkeypatch):
    monkeypatch.setattr(evaluate, "paired_photos", lambda part: paired_photos(part)[:1])
    for right in (True, False):
        monkeypatch.setattr(evaluate, "in_order", lambda depth, photo, right=right: [right] * len(photo.pairs_n4))
        picture = evaluate.sheet(ramp_baseline)
        assert picture.shape == (evaluate.SHEET_HEIGHT, 8 * evaluate.SHEET_HEIGHT, 3)
        assert (picture == (0, 255, 0)).all(-1).any() != right


def test_readme_names_the_hash_of_the_shipped_weights():
    readme = (ROOT / "demo_model/README.md").read_text(encoding="utf-8")
    assert hashlib.sha256(CHECKPOINT.read_bytes()).hexdigest() in readme
