"""``dptscope info``: what a person asks first, and the same for programs."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from support.weights import multiplied

import dptscope
from dptscope.card import ModelCard
from dptscope.commands import app as cli
from dptscope.commands.info import describe, show


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


SUFFIXES = (".onnx", ".fusion.onnx", ".preview.onnx")


@pytest.mark.parametrize("changed", [(), SUFFIXES[:1], SUFFIXES[1:2], SUFFIXES[2:], SUFFIXES])
def test_a_parity_of_other_weights_is_not_shown(
    changed: tuple[str, ...],
    tiny_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Weights that a tool has changed after the export: the metadata is still that of the measured ones."""
    monkeypatch.setenv("COLUMNS", "250")
    for suffix in SUFFIXES:
        data = tiny_model.with_name(f"tiny{suffix}").read_bytes()
        (tmp_path / f"m{suffix}").write_bytes(
            multiplied(data, "head/conv2/weight", 1.001) if suffix in changed else data
        )
    assert cli.run(["info", str(tmp_path / "m.onnx"), "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert described["changed"] == [f"m{suffix}" for suffix in changed]
    assert cli.run(["info", str(tmp_path / "m.onnx")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    measured = dptscope.load(tiny_model).card.parity
    assert measured is not None
    names = ", ".join(f"m{suffix}" for suffix in changed)
    line = f"changed the weights of {names} are not those that the export wrote and measured"
    assert (line in said) == bool(changed)
    depth = f"{measured.depth_range:.1e}"
    if ".onnx" in changed:
        assert described["parity"] is None
        assert "parity not known" in said and depth not in said
    else:
        companion_changed = ".fusion.onnx" in changed
        assert (described["parity"]["depth"], described["parity"]["companion"]) == (
            measured.depth,
            None if companion_changed else measured.companion,
        )
        assert depth in said and ("companion not known" in said) == companion_changed


def test_a_photo_in_a_file_for_one_size(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The family's rule of sizes is no part of it."""
    described = describe(dptscope.load(tiny_model))
    for dynamic, rule in ((True, "lower_bound, cubic, multiples of 14"), (False, "squeezed into 98 × 56, cubic")):
        show(described | {"dynamic": dynamic, "native_size": (98, 56)})
        assert f"photo {rule} " in " ".join(capsys.readouterr().out.split()) + " "


def test_a_file_that_does_not_note_its_weights(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first version, and one whose entry is gone."""
    monkeypatch.setenv("COLUMNS", "250")
    (tmp_path / "m.onnx").write_bytes(tiny_model.read_bytes().replace(b"dptscope.weights_sha", b"dptscope.weights_hsa"))
    for path in (tiny_model.parent / "version_1" / "tiny.onnx", tmp_path / "m.onnx"):
        assert cli.run(["info", str(path)]) == 0
        said = " ".join(capsys.readouterr().out.split())
        assert "(of the weights at the export; the file does not note which they were)" in said
        assert describe(dptscope.load(path))["changed"] is None


def test_opening_a_model_does_not_hash_it(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gigabyte would take a second."""
    hashed: list[Path] = []
    monkeypatch.setattr("dptscope.graphs.weights_digest", lambda path: hashed.append(path) or "")
    for suffix in SUFFIXES:
        shutil.copy(tiny_model.with_name(f"tiny{suffix}"), tmp_path / f"m{suffix}")
    model = dptscope.load(tmp_path / "m.onnx")
    assert hashed == []
    describe(model)
    assert hashed == [tmp_path / f"m{suffix}" for suffix in SUFFIXES]
