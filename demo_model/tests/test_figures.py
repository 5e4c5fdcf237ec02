"""``python -m demo_model.evaluate`` on the weights that ship gives the figures that the README and the record name."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from demo_model import evaluate

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
    lines = (ROOT / "demo_model/README.md").read_text(encoding="utf-8").splitlines()
    names = {"held_out": "400 held-out scenes", "motorcycle": "one photo with measured depth"}
    for part, name in names.items():
        (line,) = (line for line in lines if line.startswith(f"| {name}"))
        wanted = [KEPT[part][who][figure] for who in ("model", "ramp", "constant") for figure in ("abs_rel", "delta1")]
        assert [float(number) for number in re.findall(r"0\.\d{3}", line)] == [round(value, 3) for value in wanted]
    (line,) = (line for line in lines if line.startswith("| 109 hand-placed pairs"))
    shares = [KEPT["pairs"][who]["all pairs"] for who in ("model", "lower is nearer")]
    assert re.findall(r"(\d+) %", line) == [f"{100 * share:.0f}" for share in shares]


def test_readme_names_the_hash_of_the_shipped_weights():
    readme = (ROOT / "demo_model/README.md").read_text(encoding="utf-8")
    assert hashlib.sha256(CHECKPOINT.read_bytes()).hexdigest() in readme
