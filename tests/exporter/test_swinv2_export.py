"""MiDaS Swin V2 in onnxruntime: the file for one size, and the file for any."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from support import midas_oracle
from support.oracle import save_hugging_face
from support.parity import DEPTH_LIMIT, hold_file

import dptscope
from dptscope import contract
from dptscope.commands import app as cli
from dptscope_export.families import ExportOptions
from dptscope_export.pipeline import Exported, export

WIDE = 256  # channels in the fusion, as all published models have: some rewrites of the graph begin there
WINDOW = 8
WIDTHS = (16, 16, 32, 64, 128)  # of the tokens of each block, with two blocks in the first stage
STRIDES = (4, 4, 8, 16, 32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_hugging_face(midas_oracle.swinv2(seed=22, fusion=WIDE), tmp_path_factory.mktemp("swin") / "hub")


@pytest.fixture(scope="module")
def fixed(folder: Path) -> Exported:
    return export(folder, folder.parent / "fixed.onnx")


@pytest.fixture(scope="module")
def dynamic(folder: Path) -> Exported:
    return export(folder, folder.parent / "dynamic.onnx", ExportOptions(dynamic=True))


def hold_against(exported: Exported, oracle: torch.nn.Module, height: int, width: int) -> None:
    image = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(height + width))
    depth, tokens = midas_oracle.run(oracle, image)
    hold_file(exported.model, image, {contract.DEPTH: depth}, tokens, special=())


def test_fixed_at_its_native_size(fixed: Exported) -> None:
    hold_against(fixed, midas_oracle.swinv2(seed=22, fusion=WIDE), 128, 128)


# Native; smaller than a window in every stage; no multiple of the window; wide, tall, clipped along one axis only.
@pytest.mark.parametrize("size", [(128, 128), (32, 32), (96, 160), (64, 256), (288, 32)])
def test_dynamic_at_sizes_the_tracer_never_saw(dynamic: Exported, size: tuple[int, int]) -> None:
    oracle = midas_oracle.swinv2(seed=22, fusion=WIDE)
    midas_oracle.use_windows_per_axis(oracle)
    hold_against(dynamic, oracle, *size)


def test_fixed_and_dynamic_agree(fixed: Exported, dynamic: Exported) -> None:
    image = np.random.default_rng(4).standard_normal((1, 3, 128, 128)).astype(np.float32)
    scales = (0.5, 1.5, -0.5, 2.0)
    one, other = (dptscope.load(each.model).run(image, [contract.DEPTH], scales)["depth"] for each in (fixed, dynamic))
    assert np.abs(one - other).max() <= DEPTH_LIMIT * one.std()


def test_fixed_holds_constants_where_only_the_size_matters(fixed: Exported, dynamic: Exported) -> None:
    """The position bias of a block is one constant there; in the dynamic graph it is computed."""
    nodes = {path: [node.name for node in onnx.load(path).graph.node] for path in (fixed.model, dynamic.model)}
    assert not [name for name in nodes[fixed.model] if "position_bias" in name or "window_grid" in name]
    assert [name for name in nodes[dynamic.model] if "position_bias" in name]
    shapes = {tuple(tensor.dims) for tensor in onnx.load(fixed.model).graph.initializer}
    assert (1, WINDOW**2, WINDOW**2) in shapes, "the first stage's bias"
    assert (16, 1, WINDOW**2, WINDOW**2) in shapes, "the first stage's mask"


def test_fixed_takes_no_other_size(
    fixed: Exported, photo_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(dptscope.SizeError, match="exported for 128 × 128 pixels only, got 160 × 128"):
        dptscope.load(fixed.model).run(np.zeros((1, 3, 160, 128), np.float32), [contract.DEPTH])
    arguments = ["depth", str(fixed.model), str(photo_path), "-o", str(tmp_path / "out"), "--size", "256"]
    assert cli.run(arguments) == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 1
    assert "exported for 128 × 128 pixels only, got 256" in errors[0]


def test_photos(fixed: Exported, dynamic: Exported, photo_bgr: Any) -> None:
    """The original squeezes a photo into its square; the dynamic file keeps the aspect unless told to be square."""
    one, other = dptscope.load(fixed.model), dptscope.load(dynamic.model)
    assert one.predict(photo_bgr).raw.shape == (128, 128)
    assert other.predict(photo_bgr).raw.shape == (128, 192)
    squeezed = one.predict(photo_bgr).depth
    square = other.predict(photo_bgr, square=True).depth
    assert np.abs(squeezed - square).max() <= DEPTH_LIMIT * squeezed.std()


def test_norms_of_every_block_at_its_own_grid(fixed: Exported, photo_path: Path, tmp_path: Path) -> None:
    assert cli.run(["norms", str(fixed.model), str(photo_path), "-o", str(tmp_path), "--format", "json,npy"]) == 0
    (report,) = (json.loads(path.read_text()) for path in tmp_path.glob("*.json"))
    assert len(report["blocks"]) == len(STRIDES)
    model = dptscope.load(fixed.model)
    assert [block.stage for block in model.card.blocks] == [1, 1, 2, 3, 4]
