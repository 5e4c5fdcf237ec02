"""MiDaS BEiT from an original checkpoint to onnxruntime, against transformers, and as a user meets it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from safetensors.torch import load_file
from support import midas_oracle
from support.oracle import save_hugging_face
from support.parity import DEPTH_LIMIT, hold_file

import dptscope
from dptscope import contract
from dptscope.commands import app as cli
from dptscope_export.pipeline import Exported, export
from dptscope_export.quantise.layers import find_layers

WIDE = 256  # channels in the fusion, as all published models have: some rewrites of the graph begin there


@dataclass(frozen=True)
class Case:
    exported: Exported
    oracle: torch.nn.Module


@pytest.fixture(scope="module")
def beit(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("beit")
    hub = midas_oracle.beit(seed=12, fusion=WIDE)
    save_hugging_face(hub, folder / "hub")
    torch.save(midas_oracle.to_original(load_file(folder / "hub" / "model.safetensors"), hub.config), folder / "a.pt")
    midas_oracle.fuse_as_the_original(hub)
    return Case(export(folder / "a.pt", folder / "beit.onnx"), hub)


@pytest.mark.parametrize("size", [(96, 96), (48, 176), (208, 32), (80, 112)])
def test_in_onnxruntime(beit: Case, size: tuple[int, int]) -> None:
    """Native, wide, tall, odd: sizes the tracer never saw, as a batch of two."""
    image = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(sum(size)))
    depth, tokens = midas_oracle.run(beit.oracle, image)
    hold_file(beit.exported.model, image, {contract.DEPTH: depth}, tokens)


def test_each_block_makes_its_bias_when_it_needs_it(beit: Case, tmp_path: Path) -> None:
    """A bias takes heads × tokens² numbers: 0.8 GB a block in a BEiT-base at 1024 × 1024 pixels, too much for all at once."""
    options = ort.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path / "profile")
    session = ort.InferenceSession(beit.exported.model, options, providers=["CPUExecutionProvider"])
    session.run([contract.DEPTH], {contract.IMAGE: np.zeros((1, 3, 96, 96), dtype=np.float32)})
    events = json.loads(Path(session.end_profiling()).read_text())
    started: dict[str, float] = {}  # in the order in which they ran
    for event in sorted(events, key=lambda event: float(event["ts"])):
        found = re.match(r"encoder/block_(\d+)/attention/(relative_bias/Concat|Scan)", event["name"])
        if found:
            started.setdefault(f"{found[1]} {found[2].partition('/')[0]}", event["ts"])
    blocks = range(len(dptscope.load(beit.exported.model).card.blocks))
    assert list(started) == [f"{block:02} {step}" for block in blocks for step in ("relative_bias", "Scan")]


def test_positions_stay_float32(beit: Case) -> None:
    """In int8 the layers are, and not the products that fit the bias' tables to a grid."""
    layers = find_layers(onnx.load(beit.exported.model), "x")
    blocks = [f"encoder/block_{block:02d}" for block in range(4)]
    parts = ("attention/qkv", "attention/proj", "mlp/fc1", "mlp/fc2")
    readouts = [f"reassemble/readout_{k}/from_patch/MatMul" for k in contract.FUSION_BLOCKS]
    assert set(layers.linear) == {*(f"{block}/{part}/MatMul" for block in blocks for part in parts), *readouts}


def test_companion_and_scales(beit: Case) -> None:
    image = np.random.default_rng(3).standard_normal((1, 3, 80, 112)).astype(np.float32)
    model = dptscope.load(beit.exported.model)
    fusion_names = [contract.fusion_input_name(k) for k in contract.FUSION_BLOCKS]
    scales = (0.5, -1.5, 0.25, 2.0)
    whole = model.run(image, [contract.DEPTH], scales)[contract.DEPTH]
    through = model.fuse(tuple(model.run(image, fusion_names).values()), scales)
    assert np.abs(whole - model.run(image, [contract.DEPTH])[contract.DEPTH]).max() > 0.1 * whole.std()
    assert np.abs(through - whole).max() <= DEPTH_LIMIT * whole.std()


def test_a_photo_is_prepared_as_midas_does(beit: Case, photo_bgr: Any) -> None:
    """500 × 741 towards 96: the height's factor is nearer one, and both sides are rounded to multiples of 32."""
    prediction = dptscope.load(beit.exported.model).predict(photo_bgr)
    assert prediction.raw.shape == (96, 128)
    assert prediction.depth.shape == photo_bgr.shape[:2]


@pytest.mark.parametrize("size", ["383", "8"])
def test_a_size_that_is_no_multiple(
    beit: Case, photo_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], size: str
) -> None:
    arguments = ["depth", str(beit.exported.model), str(photo_path), "-o", str(tmp_path / "out"), "--size", size]
    assert cli.run(arguments) == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 1
    assert f"multiple of 16 (such as {max(int(size) // 16, 1) * 16}" in errors[0]
    assert f"got {size}" in errors[0]


def test_an_input_of_383_pixels(beit: Case) -> None:
    with pytest.raises(dptscope.SizeError, match="multiples of 16 pixels, got 383 × 384"):
        dptscope.load(beit.exported.model).run(np.zeros((1, 3, 383, 384), np.float32), [contract.DEPTH])
