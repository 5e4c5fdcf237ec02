"""Registers at test time: planted outliers are found, taken over, and gone; off, the file is the plain one to the bit.

The runtime's tests look at one of these files. To write it again, in ``tests/``: ``PYTHONPATH=.. python -m
exporter.test_registers``.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import skimage
import torch
from support import midas_oracle, oracle, planted
from support.whole import whole

import dptscope
from dptscope import contract
from dptscope.prepare import prepare_image
from dptscope.register_search import RegisterSearch
from dptscope.registers import AddedRegisters
from dptscope_export.checkpoints.read import read_checkpoint
from dptscope_export.families import ExportOptions, recognise
from dptscope_export.graph.passes import choose_passes
from dptscope_export.pipeline import export, make_card
from dptscope_export.quantise.pipeline import quantise

DATA = Path(__file__).parents[1] / "data"
SIZE = 224  # pixels of the photos' shorter side: 16 × 21 tokens and more
PHOTOS = ("motorcycle_left.png", "coffee.png", "astronaut.png")
BLOCKS, LENGTHS = (1, 2), (50.0, 25.0)


@dataclass(frozen=True)
class Case:
    model: Any  # transformers'
    neurons: list[planted.Neuron]
    hub: Path
    path: Path


def photo(name: str) -> Any:
    return cv2.imread(str(Path(skimage.__file__).parent / "data" / name))


def export_planted(folder: Path) -> Case:
    model = oracle.depth_anything(blocks=4, out_indices=(1, 2, 3, 4), seed=1)
    hub = oracle.save_hugging_face(model, folder / "unplanted")
    read = read_checkpoint(hub)
    card = make_card(read, recognise(read, ExportOptions()), contract.DEFAULT_OPSET, "default", choose_passes())
    images = [torch.from_numpy(prepare_image(card, photo(name), SIZE)) for name in PHOTOS]
    neurons = planted.plant(model, images, BLOCKS, LENGTHS)
    hub = oracle.save_hugging_face(model, folder / "hub")
    return Case(model, neurons, hub, export(hub, folder / "planted.onnx", registers=True).model)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return export_planted(tmp_path_factory.mktemp("planted"))


def test_off_it_is_the_plain_file_to_the_bit(case: Case, tmp_path: Path) -> None:
    plain, other = dptscope.load(whole(case.hub, tmp_path / "plain.onnx")), dptscope.load(case.path)
    assert not plain.graphs.takes_registers and other.graphs.takes_registers
    assert plain.card.model_id != other.card.model_id
    names = [output["name"] for output in plain.outputs()]
    for batch, height, width in ((2, 70, 98), (1, 28, 140), (1, 210, 126)):
        image = np.random.default_rng(height).normal(size=(batch, 3, height, width)).astype(np.float32)
        wanted, got = plain.run(image, names), other.run(image, names)
        assert [name for name in names if not np.array_equal(wanted[name], got[name])] == []
    with pytest.raises(
        dptscope.ModelFileError, match=r"without the input register_tokens; .* dptscope export --registers"
    ):
        plain.run(image, names, registers=AddedRegisters())


def test_weights_are_in_the_file_once(case: Case) -> None:
    graph = onnx.load(case.path).graph
    large = [weight.raw_data for weight in graph.initializer if len(weight.raw_data) > 4096]
    assert len(large) == len(set(large))
    assert "encoder/block_02/mlp/fc2/weight" in {weight.name for weight in graph.initializer}


@pytest.mark.parametrize("tokens", [1, 3])
def test_on_it_is_what_the_paper_says(case: Case, tokens: int) -> None:
    """Against hidden activations that are changed token by token, in another implementation of the network."""
    neurons = [*case.neurons, (0, 11), (3, 0)]
    values = [0.0, 0.5, -0.25, 0.0, 0.1, 0.0]
    registers = torch.randn(tokens, 64, generator=torch.Generator().manual_seed(4))
    image = torch.randn(2, 3, 98, 126, generator=torch.Generator().manual_seed(5))
    with planted.registers(case.model, neurons, values, registers):
        wanted_depth, wanted_tokens = oracle.run(case.model, image)
    added = AddedRegisters(tuple(neurons), tuple(values), registers.numpy())
    names = [contract.DEPTH, contract.BLOCK_APPENDED_TOKENS, contract.BLOCK_CLS_TOKENS, contract.block_tokens_name(3)]
    found = dptscope.load(case.path).run(image.numpy(), names, registers=added)
    plain = dptscope.load(case.path).run(image.numpy(), names[:1])
    depth = wanted_depth.numpy()
    assert np.abs(plain[contract.DEPTH] - depth).max() > 0.1 * depth.std(), "they must matter"
    assert np.abs(found[contract.DEPTH] - depth).max() <= 5e-4 * depth.std()
    for block, wanted in enumerate(wanted_tokens):
        got = found[contract.BLOCK_APPENDED_TOKENS][:, block]
        np.testing.assert_allclose(got, wanted[:, -tokens:].numpy(), atol=2e-4 * float(wanted.std()))
        got = found[contract.BLOCK_CLS_TOKENS][:, block]
        np.testing.assert_allclose(got, wanted[:, 0].numpy(), atol=2e-4 * float(wanted.std()))
    last = wanted_tokens[3][:, 1:-tokens].reshape(2, 7, 9, 64).numpy()
    np.testing.assert_allclose(found[names[3]], last, atol=2e-4 * float(last.std()))


def test_in_int8_they_take_rounded_weights(case: Case, tmp_path: Path) -> None:
    """Which lie in the file once, and are never widened as a whole."""
    made = quantise(case.path, tmp_path, floor=0).model
    graph = onnx.load(made).graph
    weights = {weight.name for weight in graph.initializer}
    assert "encoder/block_00/mlp/fc2/weight_quantized" in weights
    assert not weights & {name.removesuffix("_quantized") for name in weights if name.endswith("_quantized")}
    assert not [node for node in graph.node if node.op_type == "DequantizeLinear" and node.input[0] in weights]
    added = AddedRegisters(((0, 11), (3, 0)), (5.0, -5.0), np.zeros((1, 64), np.float32))
    image = np.random.default_rng(5).normal(size=(1, 3, 98, 126)).astype(np.float32)
    name = contract.block_tokens_name(0)
    exact, rounded = (
        model.run(image, [name], registers=added)[name] - model.run(image, [name])[name]
        for model in (dptscope.load(case.path), dptscope.load(made))
    )
    assert np.corrcoef(exact.ravel(), rounded.ravel())[0, 1] > 0.999


def test_planted_neurons_are_found_and_the_depth_comes_back(case: Case) -> None:
    model = dptscope.load(case.path)
    search = RegisterSearch(model)
    assert (search.block, search.last_block) == (2, 2)
    counts = [search.look_at(photo(name), size=SIZE) for name in PHOTOS]
    assert min(counts) >= 1
    neurons = search.found()
    assert {(each.block, each.neuron) for each in neurons.neurons[:4]} == set(case.neurons)
    assert neurons.neurons[3].activation > 3 * neurons.neurons[4].activation
    assert neurons.outliers == sum(counts) and neurons.photos == neurons.photos_with_outliers == 3
    for name in PHOTOS:
        image = prepare_image(model.card, photo(name), SIZE)
        with planted.without(case.model, case.neurons):
            before = oracle.run(case.model, torch.from_numpy(image))[0].numpy()
        for replace in ("zero", "mean"):
            scene = model.prepare(photo(name), size=SIZE, registers=neurons.added(4, replace))  # type: ignore[arg-type]
            assert [len(block.outliers) for block in scene.statistics()] == [0] * 4
            back = np.corrcoef(scene.raw_depth().ravel(), before.ravel())[0, 1]
            assert back >= 0.999, (name, replace)
        planted_depth = model.prepare(photo(name), size=SIZE).raw_depth()
        assert np.corrcoef(planted_depth.ravel(), before.ravel())[0, 1] < back - 0.005


def test_windows_have_no_place_for_them(tmp_path: Path) -> None:
    hub = oracle.save_hugging_face(midas_oracle.swinv2(seed=22), tmp_path / "hub")
    with pytest.raises(
        dptscope.DptscopeError, match="--registers: expected a model in which every token attends to every"
    ):
        export(hub, tmp_path / "a.onnx", registers=True)
    assert not list(tmp_path.glob("*.onnx"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(export_planted(Path(folder)).path, DATA / "planted.onnx")
