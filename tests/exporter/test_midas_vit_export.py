"""MiDaS 3.0, the vision transformer and the hybrid, in onnxruntime, against transformers, and as a user meets them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from support import midas_oracle, midas_vit_oracle
from support.block import check_blocks
from support.oracle import save_hugging_face
from support.parity import DEPTH_LIMIT, hold_file

import dptscope
from dptscope import contract
from dptscope.commands import app as cli
from dptscope_export.families import ExportOptions
from dptscope_export.pipeline import Exported, export
from dptscope_export.quantise.layers import find_layers

KINDS = ("large", "hybrid")


@dataclass(frozen=True)
class Case:
    """An exported model, the checkpoint that it is of, and an implementation of it by others."""

    exported: Exported
    checkpoint: Path
    oracle: torch.nn.Module


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    found = {}
    for kind in KINDS:
        folder = tmp_path_factory.mktemp(kind)
        model = getattr(midas_vit_oracle, kind)(seed=32)
        save_hugging_face(model, folder / "hub")
        file = folder / f"dpt_{kind}_384.pt"
        torch.save(midas_vit_oracle.to_original(load_file(folder / "hub" / "model.safetensors")), file)
        midas_vit_oracle.take_any_size(model)
        found[kind] = Case(export(file, folder / f"{kind}.onnx"), file, model)
    return found


def test_attention_from_a_hybrid_s_file(cases: dict[str, Case]) -> None:
    check_blocks(cases["hybrid"].exported.model, (80, 112), 6e-7)


def hold_against(path: Path, oracle: torch.nn.Module, size: tuple[int, int]) -> None:
    image = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(sum(size)))
    depth, tokens = midas_vit_oracle.run(oracle, image)
    hold_file(path, image, {contract.DEPTH: depth}, tokens)


@pytest.mark.parametrize("size", [(96, 96), (48, 176), (208, 32), (80, 112)])
@pytest.mark.parametrize("kind", KINDS)
def test_in_onnxruntime(cases: dict[str, Case], kind: str, size: tuple[int, int]) -> None:
    """Native, wide, tall, odd: sizes the tracer never saw, as a batch of two."""
    hold_against(cases[kind].exported.model, cases[kind].oracle, size)


@pytest.mark.parametrize("kind", KINDS)
def test_scales_companion_and_preview(cases: dict[str, Case], kind: str) -> None:
    """A scale multiplies what comes into its fusion block from below, whatever the map beside it is made of."""
    image = torch.randn(1, 3, 80, 112, generator=torch.Generator().manual_seed(3))
    scales = (0.5, -1.5, 0.25, 2.0)
    oracle, model = cases[kind].oracle, dptscope.load(cases[kind].exported.model)
    unscaled = midas_vit_oracle.run(oracle, image)[0].numpy()
    midas_oracle.fuse_as_the_original(oracle, scales)
    wanted = midas_vit_oracle.run(oracle, image)[0].numpy()
    midas_oracle.fuse_as_the_original(oracle)
    assert np.abs(wanted - unscaled).max() > 0.1 * unscaled.std()

    inputs = tuple(model.run(image.numpy(), [contract.fusion_input_name(k) for k in contract.FUSION_BLOCKS]).values())
    for depth in (model.run(image.numpy(), [contract.DEPTH], scales)[contract.DEPTH], model.fuse(inputs, scales)):
        assert np.abs(depth - wanted).max() <= DEPTH_LIMIT * wanted.std()
    session = ort.InferenceSession(cases[kind].exported.preview)
    feeds = {contract.fusion_input_name(k): array for k, array in zip(contract.FUSION_BLOCKS, inputs, strict=True)}
    (preview,) = session.run([contract.DEPTH], feeds)
    small = F.interpolate(torch.from_numpy(unscaled)[None], preview.shape[1:], mode="area")[0, 0].numpy()
    assert np.corrcoef(preview[0].ravel(), small.ravel())[0, 1] > 0.6


@pytest.mark.parametrize("kind", KINDS)
def test_a_photo_by_hand(cases: dict[str, Case], kind: str, photo_bgr: Any) -> None:
    """500 × 741 towards 96. The factor of the height, 0.192, is nearer to one than that of the width, 0.13; the sides that it
    gives, 96 and 142.3, go to the nearest multiples of 32."""
    rgb = torch.from_numpy(photo_bgr[:, :, ::-1].copy()).double().permute(2, 0, 1)[None] / 255
    resized = F.interpolate(rgb, (96, 128), mode="bicubic", align_corners=False)
    raw, _ = midas_vit_oracle.run(cases[kind].oracle, ((resized - 0.5) / 0.5).float())
    back = F.interpolate(raw[None], (500, 741), mode="bicubic", align_corners=False)[0, 0].numpy()
    prediction = dptscope.load(cases[kind].exported.model).predict(photo_bgr)
    assert prediction.raw.shape == (96, 128)
    assert np.abs(prediction.depth - back).max() <= DEPTH_LIMIT * back.std()


def test_the_hybrid_for_one_size_read_by_people(cases: dict[str, Case], tmp_path: Path) -> None:
    """A node for the stem and for each bottleneck, too; kernels and norms under their own names."""
    exported = export(
        cases["hybrid"].checkpoint, tmp_path / "one.onnx", ExportOptions(fixed=(80, 112)), form="readable"
    )
    hold_against(exported.model, cases["hybrid"].oracle, (80, 112))
    model = onnx.load(exported.model)
    calls = {node.name: node.op_type.split("_")[0] for node in model.graph.node if node.domain == "dptscope"}
    bottlenecks = [f"resnet/stage_{stage}/block_{index}" for stage, index in ((1, 0), (1, 1), (2, 0), (3, 0), (3, 1))]
    assert calls["resnet/stem"] == "Stem"
    assert {calls[name] for name in bottlenecks} == {"Bottleneck"}
    assert len(model.graph.node) - len(calls) <= 2  # the image's sizes, and the class tokens put together
    weights = {weight.name for weight in model.graph.initializer}
    layers = [f"{name}/layer{number}" for name in bottlenecks for number in (1, 2, 3)]
    for layer in ("resnet/stem/layer", *layers, *(f"resnet/stage_{stage}/block_0/shortcut" for stage in (1, 2, 3))):
        assert {f"{layer}/conv/weight", f"{layer}/norm/weight", f"{layer}/norm/bias"} <= weights


def test_kernels_are_constants(cases: dict[str, Case]) -> None:
    """Standardised once, not in every run: each output channel has mean zero, and the variance that the epsilon leaves."""
    weights = {
        weight.name: onnx.numpy_helper.to_array(weight)
        for weight in onnx.load(cases["hybrid"].exported.model).graph.initializer
    }
    kernels = {name: kernel for name, kernel in weights.items() if name.startswith("resnet/") and kernel.ndim == 4}
    assert len(kernels) == 1 + 5 * 3 + 3
    for name, kernel in kernels.items():
        channels = kernel.astype(np.float64).reshape(len(kernel), -1)
        np.testing.assert_allclose(channels.mean(axis=1), 0, atol=1e-6, err_msg=name)
        assert (channels.var(axis=1) < 1).all(), name


@pytest.mark.parametrize("kind", KINDS)
def test_readouts_in_int8(cases: dict[str, Case], kind: str) -> None:
    """In files for any size, too; but they read tokens as they leave a block, so each is looked at for outliers first."""
    layers = find_layers(onnx.load(cases[kind].exported.model), "x")
    readouts = [f"reassemble/readout_{k}/from_patch/MatMul" for k in (1, 2, 3, 4)[2 * (kind == "hybrid") :]]
    blocks = [f"encoder/block_{block:02d}" for block in range(4)]
    parts = ("attention/qkv", "attention/proj", "mlp/fc1", "mlp/fc2")
    assert set(layers.linear) == {*(f"{block}/{part}/MatMul" for block in blocks for part in parts), *readouts}
    assert set(layers.exposed) == {*(f"{block}/mlp/fc2/MatMul" for block in blocks), *readouts}


def test_what_people_read(cases: dict[str, Case], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["info", str(cases["hybrid"].exported.model)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for words in (
        "midas-dpt-hybrid, 128x4_96 (midas_vit)",
        "told by the published file name dpt_hybrid_384.pt",
        "any multiple of 16, native 96 × 96",
        "fusion reads 2 maps from before the transformer, blocks 2, 3",
    ):
        assert words in shown
    assert dptscope.load(cases["hybrid"].exported.model).card.taps == (None, None, 2, 3)


def test_a_hybrid_without_a_name(cases: dict[str, Case], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.pt").symlink_to(cases["hybrid"].checkpoint)
    assert cli.run(["export", str(tmp_path / "mine.pt"), "-o", str(tmp_path / "out.onnx")]) == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 1
    assert "mine.pt: expected a published name" in errors[0]
    assert errors[0].endswith("if it is MiDaS', say --variant midas-dpt-hybrid")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.pt"]
