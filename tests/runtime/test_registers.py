"""Registers at test time, on a model whose outliers are planted (``tests/exporter/test_registers.py`` makes it)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.block import Block, relative_error, softmax_of_all, tokens_into, tokens_of

import dptscope
from dptscope import contract
from dptscope.commands import app as cli
from dptscope.files.onnx_file import mapped_weights
from dptscope.register_search import RegisterSearch
from dptscope.registers import AddedRegisters, RegisterNeurons, read_neurons

PLANTED = Path(__file__).parents[1] / "data/planted.onnx"
NEURONS = {(1, 5), (1, 6), (2, 5), (2, 6)}
SIZE = ("--size", "224")


@pytest.fixture(scope="module")
def model() -> dptscope.DepthModel:
    return dptscope.load(PLANTED)


@pytest.fixture(scope="module")
def found(model: dptscope.DepthModel, photo_bgr: Any) -> RegisterNeurons:
    search = RegisterSearch(model)
    assert search.look_at(photo_bgr, size=224) > 3
    return search.found(12)


@pytest.fixture(scope="module")
def file(found: RegisterNeurons, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("found") / "registers.json"
    path.write_text(json.dumps(found.to_json()))
    return path


def test_read_back(file: Path, found: RegisterNeurons, model: dptscope.DepthModel) -> None:
    assert read_neurons(file, model.card) == found
    assert {(each.block, each.neuron) for each in found.neurons[:4]} == NEURONS and len(found.neurons) == 12
    assert all(each.activation > 10 * abs(each.elsewhere) for each in found.neurons[:4])


def test_outliers_go_and_the_depth_changes(model: dptscope.DepthModel, found: RegisterNeurons, photo_bgr: Any) -> None:
    before = model.prepare(photo_bgr, size=224)
    after = model.prepare(photo_bgr, size=224, registers=found.added(4))
    assert [bool(block.outliers) for block in before.statistics()] == [False, True, True, True]
    assert not any(block.outliers for block in after.statistics())
    assert before.register_tokens is None and list(after.special_norms()) == ["class", "register"]
    assert after.special_norms()["register"][2] > 4 * after.statistics()[2].median, "it has what the outliers had"
    assert np.abs(after.depth() - before.depth()).max() > 0.1 * before.depth().std()
    predicted = model.predict(photo_bgr, size=224, registers=found.added(4)).raw
    np.testing.assert_array_equal(predicted, after.raw_depth())
    scaled = after.raw_depth((1, 0.5, 1, 1))  # there is no companion: the whole model runs again
    wanted = model.run(_input(model, photo_bgr), [contract.DEPTH], (1, 0.5, 1, 1), found.added(4))[contract.DEPTH][0]
    np.testing.assert_array_equal(scaled, wanted)
    assert np.abs(scaled - after.raw_depth()).max() > 0


def _input(model: dptscope.DepthModel, photo_bgr: Any) -> Any:
    from dptscope.prepare import prepare_image

    return prepare_image(model.card, photo_bgr, 224)


def test_one_register_that_takes_nothing_over(model: dptscope.DepthModel, photo_bgr: Any) -> None:
    plain, idle = (model.prepare(photo_bgr, size=224, registers=added) for added in (None, AddedRegisters()))
    none = model.prepare(photo_bgr, size=224, registers=AddedRegisters(tokens=0))
    np.testing.assert_array_equal(none.raw_depth(), plain.raw_depth())
    assert 0 < np.abs(idle.raw_depth() - plain.raw_depth()).max() < 0.5 * plain.raw_depth().std()


@pytest.mark.parametrize("block", [0, 2])
def test_attention_counts_the_appended_token(
    model: dptscope.DepthModel, found: RegisterNeurons, photo_bgr: Any, block: int
) -> None:
    scene = model.prepare(photo_bgr, size=98, keep_tokens=True, registers=found.added(0))
    weights_hnn = softmax_of_all(scene, block)
    assert scene.attention(block, (0, 0)).row_special.shape == (1, 2)
    np.testing.assert_allclose(weights_hnn.sum(-1), 1, atol=1e-5)
    before = tokens_into(scene, block)
    got = Block(mapped_weights(PLANTED), f"encoder/block_{block:02d}").next_tokens(before, weights_hnn)
    assert relative_error(got, tokens_of(scene, block)) <= 3e-6


def test_find_on_the_command_line(photo_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no photo")
    out = tmp_path / "registers.json"
    arguments = ["registers", "find", str(PLANTED), str(bad), str(photo_path), "-o", str(out), "--count", "5", *SIZE]
    assert cli.run(arguments) == 2
    told = capsys.readouterr()
    assert "bad.png" in told.err and "1 of 2 photos were left out" in told.err
    assert "outliers in block 2 of 1 of 1 photos" in told.out
    written = json.loads(out.read_text())
    assert {(each["block"], each["neuron"]) for each in written["neurons"][:4]} == NEURONS
    assert len(written["neurons"]) == 5 and written["model_id"] == dptscope.load(PLANTED).card.model_id


def test_files_with_registers(file: Path, photo_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = ("--registers", str(file), "--count", "4")
    for command in (["norms", "--format", "json"], ["depth", "--format", "npy"], ["registers", "compare"]):
        names, *options = command
        words = [names, options.pop(0)] if names == "registers" else [names]
        arguments = [*words, str(PLANTED), str(photo_path), "-o", str(tmp_path), *chosen, *SIZE, *options]
        assert cli.run(arguments) == 0
    norms = json.loads((tmp_path / "motorcycle_norms.json").read_text())
    assert norms["registers"] == "1 register, 4 neurons at zero"
    assert [block["outliers"]["count"] for block in norms["blocks"]] == [0] * 4
    told = json.loads((tmp_path / "motorcycle_registers.json").read_text())
    assert told["blocks"][2]["before"]["outliers"] > 3 and told["blocks"][2]["after"]["outliers"] == 0
    changes = told["depth"]["after"], told["depth"]["idle"]
    assert (
        changes[0]["least"] < 0 < changes[0]["greatest"] and 1 > changes[0]["largest"] > 3 * changes[1]["largest"] > 0
    )
    in_short = capsys.readouterr().out.splitlines()[-1]
    assert in_short.startswith(
        f"1 photo: outliers in block 2 {told['blocks'][2]['before']['outliers']} → 0; the depth changes"
    )
    assert (tmp_path / "motorcycle_registers.png").stat().st_size > 10_000
    assert np.load(tmp_path / "motorcycle_depth.npy").shape == (500, 741)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (("norms", "PLANTED", "--count", "3"), "expected --registers FILE beside --count or --replace, got them alone"),
        (("norms", "PLANTED", "--registers", "FILE", "--count", "13"), "expected a count of 0 to 12 neurons, got 13"),
        (("depth", "TINY", "--registers", "FILE"), "expected register neurons of this model (id "),
        (
            ("depth", "PLANTED", "--registers", "OTHER"),
            "expected a file of 'dptscope registers find', got another or a",
        ),
        (
            ("depth", "PLANTED", "--registers", "/dev/zero"),
            "expected a file of 'dptscope registers find', got another or a",
        ),
        (
            ("depth", "PLANTED", "--registers", "MISSING"),
            "MISSING: expected a file of 'dptscope registers find', got nothing under that name",
        ),
        (
            ("depth", "PLANTED", "--registers", "HUGE", "--replace", "mean"),
            "expected finite numbers in register_values, got NaN or infinity",
        ),
        (
            ("registers", "find", "TINY"),
            "without the input register_tokens; export the checkpoint again: dptscope export",
        ),
        (
            ("registers", "find", "PLANTED", "--block", "0"),
            "expected outliers in block 0 of one photo at least, got none in 1",
        ),
        (("registers", "find", "PLANTED", "--block", "4"), "expected a block from 0 to 3, got 4"),
    ],
)
def test_what_cannot_be_is_one_line(
    told: tuple[str, ...], message: str, file: Path, tiny_model: Path, photo_path: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    huge = tmp_path / "huge.json"
    huge.write_text(file.read_text().replace('"elsewhere": ', '"elsewhere": 1e300, "was": '))
    places = {
        "PLANTED": str(PLANTED),
        "TINY": str(tiny_model),
        "FILE": str(file),
        "OTHER": str(photo_path),
        "HUGE": str(huge),
    }
    words = [places.get(word, word) for word in told]
    place = next(index for index, word in enumerate(told) if word in ("PLANTED", "TINY")) + 1
    out = tmp_path / "out"
    assert cli.run([*words[:place], str(photo_path), "-o", str(out), *words[place:], *SIZE]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line and not out.exists()


def test_neurons_that_the_model_does_not_have(model: dptscope.DepthModel, photo_bgr: Any) -> None:
    for wrong in (AddedRegisters(((4, 0),)), AddedRegisters(((0, 128),)), AddedRegisters(((0, 1),), (1.0, 2.0))):
        with pytest.raises(dptscope.DptscopeError, match=r"expected (neurons of blocks 0 to 3|a value for each of 1)"):
            model.prepare(photo_bgr, size=56, registers=wrong)
