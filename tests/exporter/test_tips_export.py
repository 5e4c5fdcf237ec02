"""TIPSv2-DPT, from the published layout to onnxruntime, against transformers'; and what its register is asked for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from support import tips_oracle
from support.oracle import save_hugging_face
from support.parity import DEPTH_LIMIT, NORM_LIMIT, Scales, hold_file

import dptscope
from dptscope import contract
from dptscope.commands import app as cli
from dptscope.prepare import prepare_image
from dptscope.resize import resize_depth
from dptscope.session import Session
from dptscope_export.families import ExportOptions
from dptscope_export.pipeline import Exported, export

SCALES = (0.5, -1.5, 0.25, 2.0)


@dataclass(frozen=True)
class Case:
    exported: Exported
    oracle: Any


@pytest.fixture(scope="module")
def any_size(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """As wide as published files in fusion, where graph passes begin."""
    folder = tmp_path_factory.mktemp("tips")
    oracle = tips_oracle.tips(blocks=4, fusion=128, seed=43)
    return Case(export(save_hugging_face(oracle, folder / "hub"), folder / "tips.onnx"), oracle)


def hold_against(case: Case, image: torch.Tensor, scales: Scales = (1, 1, 1, 1)) -> None:
    depth, tokens = tips_oracle.run(case.oracle, image, scales)
    special = (contract.BLOCK_CLS_TOKENS, contract.BLOCK_REGISTER_TOKENS)
    hold_file(case.exported.model, image, {contract.DEPTH: depth}, tokens, special, scales, least=0.1)


@pytest.mark.parametrize("size", [(126, 126), (98, 42), (28, 140), (168, 154)])
def test_in_onnxruntime(any_size: Case, size: tuple[int, int]) -> None:
    """The grid of the learned positions, odd and tall, wide, larger: sizes the tracer never saw, as a batch of two."""
    hold_against(any_size, torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(sum(size))))


@pytest.mark.parametrize("size", [(84, 112), (70, 98)])
def test_scales(any_size: Case, size: tuple[int, int]) -> None:
    """In the whole file; the companion gives the same depth, at the image's size on odd grids, too."""
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(8))
    hold_against(any_size, image, SCALES)
    model = dptscope.load(any_size.exported.model)
    fusion_names = [contract.fusion_input_name(k) for k in contract.FUSION_BLOCKS]
    got = model.run(image.numpy(), [*fusion_names, contract.DEPTH], SCALES)
    inputs = [got[name] for name in fusion_names]
    through = model.fuse(inputs, SCALES)
    assert through.shape == (1, *size)
    assert np.abs(through - got[contract.DEPTH]).max() <= DEPTH_LIMIT * got[contract.DEPTH].std()
    plain = model.fuse(inputs)
    assert np.abs(plain - through).max() > 0.5 * plain.std(), "the scales must matter"
    finest = inputs[0].shape[2:]
    shares = [side / whole for side, whole in zip(model.preview(inputs, SCALES).shape[1:], finest, strict=True)]
    assert shares[0] == shares[1] in (1, 1 / 2, 1 / 4)


def test_the_card(any_size: Case) -> None:
    card = any_size.exported.card
    assert (card.family, card.variant, card.registers, card.heads) == ("tipsv2", "tipsv2-dpt", 1, 2)
    assert (card.depth_kind, card.max_depth, card.native_size) == ("metric", 10.0, (126, 126))
    assert card.parity is not None and card.parity.norms <= NORM_LIMIT
    told = {spec.name: spec.axes for spec in card.outputs()}
    assert told[contract.BLOCK_REGISTER_TOKENS] == ("batch", 4, 1, 128)
    for file in (any_size.exported.companion, any_size.exported.preview):
        assert [node.name for node in Session(file).outputs] == [contract.DEPTH]
    names = {node.name for node in onnx.load(any_size.exported.companion).graph.node}
    assert {
        f"fusion/block_{k}/residual_unit/conv{n}/kernel/Einsum" for k in contract.FUSION_BLOCKS for n in (1, 2)
    } <= names


def test_for_one_size_and_to_be_read(tmp_path: Path) -> None:
    """In the portable operators, one function a block; an odd grid."""
    oracle = tips_oracle.tips(blocks=4, seed=44)
    options = ExportOptions(fixed=(98, 70))
    exported = export(save_hugging_face(oracle, tmp_path / "hub"), tmp_path / "m.onnx", options, form="readable")
    hold_against(Case(exported, oracle), torch.rand(3, 3, 98, 70, generator=torch.Generator().manual_seed(7)))
    assert exported.notes[-1] == (
        "photos are squeezed into 98 × 70, where the original squares them: the depth is stretched back to the photo's shape"
    )
    nodes = {node.name: node for node in onnx.load(exported.model).graph.node}
    assert nodes["fusion/spread_4"].op_type == "Spread"
    alone = [name for name, node in nodes.items() if node.domain != "dptscope"]
    assert len(alone) <= 3, "the image's sizes, and the class tokens and registers put together"


def test_a_photo(any_size: Case, photo_path: Path, photo_bgr: Any, tmp_path: Path, capsys: Any) -> None:
    """Squared on its way in, stretched to its own shape on its way out; metres, as they are."""
    model = dptscope.load(any_size.exported.model)
    found = model.predict(photo_bgr)
    assert (found.kind, found.raw.shape, found.depth.shape) == ("metric", (126, 126), photo_bgr.shape[:2])
    wanted, _ = tips_oracle.run(any_size.oracle, torch.from_numpy(prepare_image(model.card, photo_bgr)))
    assert np.abs(found.raw - wanted[0].numpy()).max() <= DEPTH_LIMIT * wanted.numpy().std()
    np.testing.assert_array_equal(found.depth, resize_depth(found.raw, photo_bgr.shape[:2], "bilinear"))
    assert model.predict(photo_bgr, size=70).raw.shape == (70, 70)

    scene = model.prepare(photo_bgr)
    assert scene.register_tokens is not None and scene.register_tokens.shape == (4, 1, 128)
    norms = np.linalg.norm(scene.register_tokens[:, 0], axis=-1)
    assert list(scene.special_norms()) == ["class", "register"]
    np.testing.assert_allclose(scene.special_norms()["register"], norms, rtol=1e-6)
    file = str(any_size.exported.model)
    assert cli.run(["norms", file, str(photo_path), "-o", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "motorcycle_norms.json").read_text())
    np.testing.assert_allclose([block["register_norms"] for block in report["blocks"]], norms[:, None], rtol=1e-5)
    assert cli.run(["info", file, "--json"]) == 0
    told = json.loads(capsys.readouterr().out.partition("\n{")[2].join(["{", ""]))
    assert told["registers"] == 1
    assert any(output["name"] == contract.BLOCK_REGISTER_TOKENS and output["meaning"] for output in told["outputs"])


def test_attention_with_the_register(any_size: Case, photo_bgr: Any) -> None:
    """Of every block, the first among them, against the oracle's own weights; the register asks, and is asked."""
    model = dptscope.load(any_size.exported.model)
    scene = model.prepare(photo_bgr, size=70, keep_tokens=True)
    image = torch.from_numpy(prepare_image(model.card, photo_bgr, 70))
    for block, wanted in enumerate(tips_oracle.attentions(any_size.oracle, image)):
        for token, place in (("class", 0), (("register", 0), 1), ((3, 4), 2 + 3 * 5 + 4)):
            found = scene.attention(block, token)  # type: ignore[arg-type]
            row = np.concatenate([found.row_special, found.row.reshape(2, -1)], axis=1)
            column = np.concatenate([found.column_special, found.column.reshape(2, -1)], axis=1)
            assert found.row_special.shape == (2, 2)
            np.testing.assert_allclose(row, wanted[0, :, place].numpy(), atol=2e-5)
            np.testing.assert_allclose(column, wanted[0, :, :, place].numpy(), atol=2e-5)
    with pytest.raises(dptscope.DptscopeError, match="expected one of the model's 1 registers, got register 1"):
        scene.attention(1, ("register", 1))
