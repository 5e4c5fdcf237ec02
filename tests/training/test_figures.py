"""``python -m training.evaluate`` on the shipped weights gives the figures that the README and the record name."""

import json
import re
from pathlib import Path

import pytest
from training import evaluate

from dptscope.commands.demo import CHECKPOINT

ROOT = Path(__file__).parents[2]
KEPT = json.loads((ROOT / "training/figures.json").read_text())


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
    for name, shares in KEPT["pairs"].items():
        # A pair whose two depths are nearly the same may fall the other way with another build of PyTorch.
        assert measured["pairs"][name]["all pairs"] == pytest.approx(shares["all pairs"], abs=0.02)


def test_better_than_the_baselines_where_the_readme_says_so(measured):
    scenes = KEPT["held_out"]
    for baseline in ("ramp", "constant"):
        assert scenes["model"]["abs_rel"] < 0.8 * scenes[baseline]["abs_rel"]
        assert scenes["model"]["delta1"] > scenes[baseline]["delta1"] + 0.05
    assert measured["pairs"]["model"]["all pairs"] > measured["pairs"]["lower is nearer"]["all pairs"] + 0.2


def test_readme_names_these_figures():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for part, row in (("held_out", "400 held-out scenes"), ("motorcycle", "one photo with measured depth")):
        (line,) = (line for line in readme.splitlines() if line.startswith(f"| {row}"))
        wanted = [
            KEPT[part][name][figure] for name in ("model", "ramp", "constant") for figure in ("abs_rel", "delta1")
        ]
        assert [float(number) for number in re.findall(r"0\.\d{3}", line)] == [round(value, 3) for value in wanted]
    assert f"**{KEPT['pairs']['model']['all pairs']:.0%}".replace("%", " %**") in readme
