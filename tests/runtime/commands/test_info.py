"""``dptscope info``: what a person asks first, and the same for programs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

import dptscope
from dptscope.card import ModelCard
from dptscope.commands import app as cli
from dptscope.commands.info import describe


def test_json(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["info", str(tiny_model), "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert described["variant"] == "depth-anything-v2"
    assert described["grids"] == [[5, 5]] * 4
    image, *scales = described["inputs"]
    assert (image["name"], image["axes"], image["optional"]) == ("image", ["batch", 3, "height", "width"], False)
    assert "default" not in image
    assert [(scale["name"], scale["default"]) for scale in scales] == [(f"fusion_scale_{k}", 1.0) for k in (1, 2, 3, 4)]
    assert all(tensor["meaning"] for tensor in (*described["inputs"], *described["outputs"]))


def test_for_people(tiny_model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "250")  # nothing breaks in the middle of a sentence
    assert cli.run(["info", str(tiny_model)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    model = dptscope.load(tiny_model)
    for wanted in (
        "relative inverse depth, larger is nearer",
        "any multiple of 14, native 70 × 70",
        "4 of 64 channels on 5 × 5",
        "blocks 0, 1, 2, 3",
        "optional, 1 by default: factor on what comes from fusion block 2 into block 1",
        "block_00_tokens … block_03_tokens batch × grid_height × grid_width × 64 patch tokens that leave transformer "
        "block 0 … 3",
        model.card.source_sha256,
        "at 5 sizes",
    ):
        assert wanted in said, wanted


def test_weight_and_arithmetic(tiny_model: Path) -> None:
    """Files of the first release do not say them, and load all the same."""
    card = dptscope.load(tiny_model).card
    metadata = dataclasses.replace(card, parameters=24_710_849, flops=114_630_768_644).to_metadata()
    assert ModelCard.from_metadata(metadata, "x").flops == 114_630_768_644
    del metadata["dptscope.parameters"], metadata["dptscope.flops"]
    old = ModelCard.from_metadata(metadata, "x")
    assert (old.parameters, old.flops) == (None, None)
    metadata["dptscope.flops"] = '"many"'
    with pytest.raises(dptscope.ModelFileError, match="flops: Input should be a valid integer, got 'many'"):
        ModelCard.from_metadata(metadata, "x")


def test_stages(tiny_model: Path) -> None:
    """Blocks of one kind are told together."""
    from dptscope.commands.info import _blocks

    described = describe(dptscope.load(tiny_model))
    described["blocks"] = [{"stage": stage, "channels": 96 * stage, "stride": 4 * stage} for stage in (1, 1, 2, 2, 2)]
    described["grids"] = [(64, 64), (64, 64), (32, 32), (32, 32), (32, 32)]
    assert _blocks(described) == "2 of 96 channels on 64 × 64; 3 of 192 channels on 32 × 32"
