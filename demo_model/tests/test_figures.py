"""``python -m demo_model.evaluate`` on the weights that ship gives the figures that the README and the record name."""

import hashlib
import itertools
import json
import re

import numpy as np
import pytest
from demo_model import evaluate
from demo_model.photos import paired_photos
from demo_model.predictors import ramp_baseline
from demo_model.tables import FOLDER, PART_NAMES, TEXTS, with_tables

from dptscope.commands.demo import CHECKPOINT

KEPT = json.loads((FOLDER / "figures.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    out = tmp_path_factory.mktemp("figures") / "figures.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "OTHER_SIZES", (168,))  # the larger ones take a minute
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
    for part in evaluate.PARTS:
        assert measured["told_apart"][part] == pytest.approx(np.array(KEPT["told_apart"][part]), abs=2)
    assert measured["other_sizes"]["168"] == pytest.approx(KEPT["other_sizes"]["168"], abs=0.02)


def test_better_than_the_baselines_where_the_readme_says_so(measured):
    scenes = KEPT["held_out"]
    for baseline in ("ramp", "constant"):
        assert scenes["model"]["abs_rel"] < 0.8 * scenes[baseline]["abs_rel"]
        assert scenes["model"]["delta1"] > scenes[baseline]["delta1"] + 0.05
    for shares in measured["pairs"].values():
        assert shares["model"]["all pairs"] > shares["lower is nearer"]["all pairs"] + 0.2


def test_the_texts_hold_these_figures_and_the_hash_of_the_shipped_weights():
    """What ``python -m demo_model.ship`` wrote into them."""
    texts = [(FOLDER / name).read_text(encoding="utf-8") for name in TEXTS]
    assert [with_tables(text, KEPT) for text in texts] == texts
    named = re.findall(r"^<!-- (\w+) -->$", "\n".join(texts), re.MULTILINE)
    assert sorted(set(named) - {"end"}) == sorted(PART_NAMES) and named.count("end") == len(PART_NAMES)
    assert hashlib.sha256(CHECKPOINT.read_bytes()).hexdigest() in texts[0]


def test_tables_are_made_anew_and_nothing_else_is_touched():
    text = "a | b\n<!-- told_apart -->\nold\nolder\n<!-- end -->\nafter\n<!-- other_sizes -->\n\n<!-- end -->\n"
    figures = {
        "told_apart": {part: [[1, 2], [3, 4]] for part in evaluate.PARTS},
        "other_sizes": {"168": dict.fromkeys(evaluate.PARTS, 0.456) | {"motorcycle": 0.2504}},
    }
    lines = with_tables(text, figures).splitlines()
    assert lines[0] == "a | b" and lines[-6] == "after" and "older" not in lines
    assert "| first eight photos | 1 of 2 | 3 of 4 |" in lines
    assert "| 168 pixels | 0.46 | 0.46 | 0.46 | 0.250 |" in lines


def test_sheet_draws_an_arrow_where_a_pair_is_wrong(monkeypatch):
    monkeypatch.setattr(evaluate, "paired_photos", lambda part: paired_photos(part)[:1])
    for right in (True, False):
        monkeypatch.setattr(evaluate, "in_order", lambda depth, photo, right=right: [right] * len(photo.pairs_n4))
        picture = evaluate.sheet(ramp_baseline)
        assert picture.shape == (2 * evaluate.SHEET_HEIGHT, 8 * evaluate.SHEET_HEIGHT, 3)
        assert (picture == (0, 255, 0)).all(-1).any() != right
