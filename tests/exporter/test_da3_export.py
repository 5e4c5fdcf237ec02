"""Depth Anything 3, mono and metric, from the published layout to onnxruntime, against a restatement of the network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support import da3_oracle

import dptscope
from dptscope import contract
from dptscope.session import Session
from dptscope_export.checkpoints.read import read_checkpoint
from dptscope_export.families import ExportOptions, recognise
from dptscope_export.pipeline import Exported, build, export

DEPTH_LIMIT = 2e-4  # of the map's standard deviation
NORM_LIMIT = 4e-6  # of the map's mean
SCALES = (0.5, -1.5, 0.25, 2.0)


@dataclass(frozen=True)
class Case:
    exported: Exported
    weights: da3_oracle.Tensors


def save_folder(weights: da3_oracle.Tensors, folder: Path, model_name: str) -> Path:
    """A folder as the hub's mixin writes it."""
    folder.mkdir()
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_name": model_name}))
    return folder


@pytest.fixture(scope="module")
def mono(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Five blocks, for any size, from a folder."""
    folder = tmp_path_factory.mktemp("mono")
    weights = da3_oracle.tensors(blocks=5, seed=31)
    return Case(export(save_folder(weights, folder / "hub", "da3mono-large"), folder / "mono.onnx"), weights)


def hold_against(case: Case, image: torch.Tensor, scales: tuple[float, float, float, float] = (1, 1, 1, 1)) -> None:
    wanted = da3_oracle.run(case.weights, image, scales)
    names = [contract.block_tokens_name(index) for index in range(len(wanted.tokens))]
    outputs = [contract.DEPTH, contract.SKY, contract.BLOCK_CLS_TOKENS, *names]
    got = dptscope.load(case.exported.model).run(image.numpy(), outputs, scales)
    for name, wanted_map in ((contract.DEPTH, wanted.depth.numpy()), (contract.SKY, wanted.sky.numpy())):
        assert wanted_map.std() > 0.05, "a dull map proves nothing"
        assert got[name].shape == (image.shape[0], *image.shape[2:])
        assert np.abs(got[name] - wanted_map).max() <= DEPTH_LIMIT * wanted_map.std(), name
    for index, (name, tokens) in enumerate(zip(names, wanted.tokens, strict=True)):
        norms = np.linalg.norm(got[name], axis=-1).reshape(image.shape[0], -1)
        wanted_norms = tokens[:, 1:].norm(dim=-1).numpy()
        assert np.abs(norms - wanted_norms).max() <= NORM_LIMIT * wanted_norms.mean(), f"block {index}"
        np.testing.assert_allclose(got[contract.BLOCK_CLS_TOKENS][:, index], tokens[:, 0].numpy(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("size", [(70, 70), (98, 42), (28, 140), (126, 112)])
def test_in_onnxruntime(mono: Case, size: tuple[int, int]) -> None:
    """The grid of the learned positions, tall, wide, larger: sizes the tracer never saw, as a batch of two."""
    hold_against(mono, torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(sum(size))))


def test_scales(mono: Case) -> None:
    """Depth and sky both follow the scales, in the whole file; the companion gives the same depth."""
    image = torch.randn(1, 3, 84, 112, generator=torch.Generator().manual_seed(8))
    hold_against(mono, image, SCALES)
    plain, scaled = (da3_oracle.run(mono.weights, image, scales) for scales in ((1, 1, 1, 1), SCALES))
    assert (plain.depth - scaled.depth).abs().max() > 0.5 * plain.depth.std(), "the scales must matter"
    assert (plain.sky - scaled.sky).abs().max() > 0.5 * plain.sky.std()

    model = dptscope.load(mono.exported.model)
    fusion_names = [contract.fusion_input_name(k) for k in contract.FUSION_BLOCKS]
    inputs = model.run(image.numpy(), fusion_names)
    through = model.fuse([inputs[name] for name in fusion_names], SCALES)
    assert np.abs(through - scaled.depth.numpy()).max() <= DEPTH_LIMIT * scaled.depth.numpy().std()


def test_the_card(mono: Case) -> None:
    card = mono.exported.card
    assert (card.variant, card.evidence) == ("depth-anything-3-mono", "model_name da3mono-large in config.json")
    assert (card.depth_kind, card.max_depth, card.canonical_focal, card.has_sky) == ("distance", None, None, True)
    assert (card.native_size, card.dynamic, card.size_multiple) == ((504, 504), True, 14)
    assert card.parity is not None and card.parity.norms <= NORM_LIMIT
    for file in (mono.exported.companion, mono.exported.preview):
        assert [node.name for node in Session(file).outputs] == [contract.DEPTH], "the sky costs a slider nothing"


def test_metric_for_one_size(tmp_path: Path) -> None:
    """As wide as published files in fusion, where graph passes begin, and portable."""
    weights = da3_oracle.tensors(fusion=256, hidden=32, seed=32)
    save_file(weights, tmp_path / "any.safetensors")
    options = ExportOptions(variant="depth-anything-3-metric", fixed=(98, 56))
    for form in ("default", "portable"):
        exported = export(tmp_path / "any.safetensors", tmp_path / f"{form}.onnx", options, form=form)  # type: ignore[arg-type]
        assert (exported.card.depth_kind, exported.card.canonical_focal) == ("distance", 300.0)
        hold_against(Case(exported, weights), torch.randn(3, 3, 98, 56, generator=torch.Generator().manual_seed(7)))


@pytest.mark.parametrize("blocks", [12, 24])
def test_torch_model_of_other_depths(tmp_path: Path, blocks: int) -> None:
    """Which blocks feed the fusion, in files of half precision, too."""
    weights = {name: tensor.half() for name, tensor in da3_oracle.tensors(blocks=blocks, seed=33).items()}
    torch.save({"model_state": weights, "optimizer": {}}, tmp_path / "any.pth")
    checkpoint = read_checkpoint(tmp_path / "any.pth")
    model = build(checkpoint, recognise(checkpoint, ExportOptions(variant="depth-anything-3-mono")))
    image = torch.randn(2, 3, 98, 56, generator=torch.Generator().manual_seed(9))
    wanted = da3_oracle.run({name: tensor.float() for name, tensor in weights.items()}, image)
    with torch.no_grad():
        depth, sky = model.maps(model.features(image).fusion_inputs)
    assert (depth - wanted.depth).abs().max() <= DEPTH_LIMIT * wanted.depth.std()
    assert (sky - wanted.sky).abs().max() <= DEPTH_LIMIT * wanted.sky.std()
