"""Attention from the file of every family: the rest of a block, computed with it, gives the file's next tokens, and torch's
own attention in an independent implementation is the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16
from support import midas_oracle, midas_vit_oracle, oracle
from support.block import Array, Block, check_blocks, relative_error, softmax_of_all, tokens_into, tokens_of
from support.whole import whole
from transformers import DPTForDepthEstimation

import dptscope
from dptscope.attention.windows import merged
from dptscope.files.onnx_file import mapped_weights
from dptscope.registers import AddedRegisters
from dptscope.scene import Scene
from dptscope_export.families import ExportOptions
from dptscope_export.graph.functions.extract import make_readable
from dptscope_export.pipeline import export

BLOCK_LIMIT = 6e-7  # root of the mean square difference ÷ the tokens' standard deviation
TORCH_LIMIT = 2e-5  # of weights, which are at most one


@pytest.fixture(scope="module")
def dinov2(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Two heads, and the gated MLP of the giant; positions for as large a grid as published ones have, of which the graph
    takes the class token's own when it runs."""
    folder = tmp_path_factory.mktemp("dinov2")
    model = oracle.depth_anything(blocks=4, out_indices=(1, 2, 3, 4), width=128, image_size=518, swiglu=True, seed=1)
    return export(oracle.save_hugging_face(model, folder / "hub"), folder / "a.onnx").model, model


@pytest.fixture(scope="module")
def beit(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Four heads; it takes registers."""
    folder = tmp_path_factory.mktemp("beit")
    model = midas_oracle.beit(seed=12)
    hub = oracle.save_hugging_face(model, folder / "hub")
    return export(hub, folder / "a.onnx", registers=True).model, model


@pytest.fixture(scope="module")
def published_beit(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Native to 384 × 384 pixels: its tables of biases are too large for the exporter to cut up."""
    folder = tmp_path_factory.mktemp("published_beit")
    model = midas_oracle.beit(grid=24, blocks=4, seed=3)
    return export(oracle.save_hugging_face(model, folder / "hub"), folder / "a.onnx").model, model


@pytest.fixture(scope="module")
def midas_vit(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Four heads of 32 channels, as its config says."""
    folder = tmp_path_factory.mktemp("vit")
    hub = oracle.save_hugging_face(midas_vit_oracle.large(heads=2, seed=5), folder / "hub")
    config = hub / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"num_attention_heads": 4}))
    return export(hub, folder / "a.onnx").model, DPTForDepthEstimation.from_pretrained(hub).eval()


@pytest.fixture(scope="module")
def swin(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """One to eight heads; the second block of the first stage shifts. As in ``test_swinv2_export.py``, where it is held
    against PyTorch, and traced once."""
    folder = tmp_path_factory.mktemp("swin")
    model = midas_oracle.swinv2(seed=22, fusion=256)
    return whole(oracle.save_hugging_face(model, folder / "hub"), folder / "a.onnx"), model


def look_at(path: Path, height: int, width: int) -> tuple[Scene, torch.Tensor]:
    """Random numbers for a photo, after the encoder."""
    image = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(height + width))
    return Scene(dptscope.load(path).graphs, image.numpy(), (height, width), keep_tokens=True), image


def torchs_own(model: Any, image: torch.Tensor) -> list[Array]:
    """Of every block; of Swin V2 the last one's of every stage, ``[windows, heads, places, places]``."""
    backbone = model.config.backbone_config
    if backbone is None or backbone.model_type != "swinv2":
        model.set_attn_implementation("eager")
    with torch.no_grad():
        return [part.numpy() for part in model(image, output_attentions=True).attentions]


def check_columns(scene: Scene, block: int, weights_hnn: Array) -> None:
    """Who attends to a token is the column of the matrix whose rows are what tokens attend to; what it receives, its sum."""
    received = scene.block_attention(block).received()
    received_n = np.concatenate([received.special, received.grid.reshape(-1)])
    np.testing.assert_allclose(received_n, weights_hnn.sum(axis=1).mean(axis=0), rtol=1e-4)
    special = 0 if scene.cls_tokens is None else 1
    rows, columns = scene.block_norms[block].shape
    tokens: dict[Any, int] = {(rows - 1, 2): special + (rows - 1) * columns + 2, (0, 0): special}
    for token, place in (tokens | {"class": 0} if special else tokens).items():
        found = scene.attention(block, token)
        column_hn = np.concatenate([found.column_special, found.column.reshape(len(weights_hnn), -1)], axis=1)
        np.testing.assert_allclose(column_hn, weights_hnn[:, :, place], atol=2e-6)


@pytest.mark.parametrize(
    ("family", "size"),
    [
        ("dinov2", (70, 98)),
        ("dinov2", (126, 42)),
        ("beit", (96, 96)),
        ("beit", (80, 144)),
        ("published_beit", (96, 160)),
        ("midas_vit", (96, 96)),
    ],
)
def test_of_the_whole_grid(family: str, size: tuple[int, int], request: pytest.FixtureRequest) -> None:
    path, model = request.getfixturevalue(family)
    scene, image = look_at(path, *size)
    weights = mapped_weights(path)
    for block, wanted_bhnn in enumerate(torchs_own(model, image)):
        weights_hnn = softmax_of_all(scene, block)
        assert weights_hnn.shape == wanted_bhnn.shape[1:] and weights_hnn.std() > 0.1 / weights_hnn.shape[-1]
        np.testing.assert_allclose(weights_hnn, wanted_bhnn[0], atol=TORCH_LIMIT)
        check_columns(scene, block, weights_hnn)
        got = Block(weights, f"encoder/block_{block:02d}").next_tokens(tokens_into(scene, block), weights_hnn)
        assert relative_error(got, tokens_of(scene, block)) <= BLOCK_LIMIT, block


def test_registers_that_are_added_to_a_beit(beit: tuple[Path, Any]) -> None:
    """They have no place, and so no bias."""
    registers = np.random.default_rng(3).normal(size=(3, 64)).astype(np.float32)
    check_blocks(beit[0], (80, 112), BLOCK_LIMIT, AddedRegisters(tokens=registers))


def check_swin_blocks(scene: Scene, path: Path) -> None:
    model = dptscope.load(path)
    for block, spec in enumerate(model.card.blocks):
        before_hwc, _ = scene._tokens_into(block)
        if block and spec.stage != model.card.blocks[block - 1].stage:
            before_hwc = merged(model.graphs.weights, f"encoder/merge_{spec.stage - 1}", before_hwc)
        weights_hnn = softmax_of_all(scene, block)
        check_columns(scene, block, weights_hnn)
        named = Block(mapped_weights(path), f"encoder/stage_{spec.stage}/block_{block:02d}", post_norm=True)
        got = named.next_tokens(before_hwc.reshape(-1, spec.channels), weights_hnn)
        assert relative_error(got, tokens_of(scene, block)) <= BLOCK_LIMIT, block


def test_inside_windows(swin: tuple[Path, Any]) -> None:
    path, model = swin
    scene, image = look_at(path, 128, 128)
    check_swin_blocks(scene, path)
    wanted = torchs_own(model, image)
    # In windows of 8 × 8 that are moved by half: the row of token (5, 18), of the window from (4, 12) to (11, 19).
    found = scene.attention(1, (5, 18))
    assert found.window == (slice(4, 12), slice(12, 20))
    place = 8 * (5 - 4) + 18 - 12
    for got, wanted_hp in ((found.row, wanted[0][1][:, place]), (found.column, wanted[0][1][:, :, place])):
        np.testing.assert_allclose(got[:, 4:12, 12:20].reshape(1, 64), wanted_hp, atol=TORCH_LIMIT)
    outside = found.row.copy()
    outside[:, 4:12, 12:20] = 0
    assert not outside.any() and found.row_special.shape == (1, 0)
    # A window that was brought together from all four corners of the grid: its piece that holds the token.
    assert scene.attention(1, (31, 30)).window == (slice(28, 32), slice(28, 32))
    assert scene.attention(1, (2, 17)).window == (slice(0, 4), slice(12, 20))
    # One window covers the grid of the third stage.
    np.testing.assert_allclose(scene.attention(3, (2, 3)).row.reshape(4, 64), wanted[2][0][:, 19], atol=TORCH_LIMIT)
    with pytest.raises(dptscope.DptscopeError, match="this model has no class token"):
        scene.attention(1, "class")


def test_padded_and_clipped_windows(swin: tuple[Path, Any], tmp_path: Path) -> None:
    """The bias is computed here, and the windows' size stands in the metadata."""
    path = whole(swin[0].parent / "hub", tmp_path / "a.onnx", ExportOptions(dynamic=True))
    assert dptscope.load(path).card.windows == ((8, 4), (8, 4), (8, 4), (8, 2))
    for size in ((128, 128), (96, 160), (32, 256)):
        check_swin_blocks(look_at(path, *size)[0], path)


@pytest.mark.parametrize("form", ["default", "portable"])
def test_a_beit_for_one_size(beit: tuple[Path, Any], form: Any, tmp_path: Path) -> None:
    """Its bias was made at the export."""
    made = export(beit[0].parent / "hub", tmp_path / "a.onnx", ExportOptions(fixed=(80, 112)), form=form)
    (one, _), (other, _) = look_at(made.model, 80, 112), look_at(beit[0], 80, 112)
    for token in ((3, 4), "class"):
        np.testing.assert_allclose(one.attention(2, token).row, other.attention(2, token).row, atol=1e-5)  # type: ignore[arg-type]


def test_a_beit_for_one_size_whose_bias_would_be_too_large(
    beit: tuple[Path, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made of a smaller array when the graph runs."""
    monkeypatch.setattr("dptscope_export.graph.passes.fold_constants.LARGEST", 50_000)  # four heads of 169² have more
    made = export(beit[0].parent / "hub", tmp_path / "a.onnx", ExportOptions(fixed=(192, 224)))
    spread = mapped_weights(made.model)["encoder/block_00/attention/relative_bias/Gather/data"]
    assert spread.shape == (4, 14 * 23 + 1, 14)
    (one, _), (other, _) = look_at(made.model, 192, 224), look_at(beit[0], 192, 224)
    for block in range(4):
        np.testing.assert_allclose(softmax_of_all(one, block), softmax_of_all(other, block), atol=1e-5)


def test_a_readable_beit(beit: tuple[Path, Any], tmp_path: Path) -> None:
    """Its functions leave the numbers of the class token's biases, four heads', in the graph."""
    model = ir.load(beit[0])
    assert make_readable(model)
    ir.save(model, tmp_path / "readable.onnx")
    (one, _), (other, _) = look_at(tmp_path / "readable.onnx", 80, 112), look_at(beit[0], 80, 112)
    for token in ((3, 4), "class"):
        np.testing.assert_allclose(one.attention(2, token).row, other.attention(2, token).row, atol=1e-5)  # type: ignore[arg-type]


def test_a_readable_swin(swin: tuple[Path, Any], tmp_path: Path) -> None:
    """Its functions leave the factors of the cosines, one to eight heads', in the graph."""
    model = ir.load(swin[0])
    assert make_readable(model)
    ir.save(model, tmp_path / "readable.onnx")
    (one, _), (other, _) = look_at(tmp_path / "readable.onnx", 128, 128), look_at(swin[0], 128, 128)
    for block in range(len(one.block_norms)):
        np.testing.assert_allclose(one.attention(block, (1, 2)).row, other.attention(block, (1, 2)).row, atol=1e-5)


def test_half_precision(dinov2: tuple[Path, Any], tmp_path: Path) -> None:
    half = tmp_path / "half.onnx"
    onnx.save(convert_float_to_float16(onnx.load(dinov2[0]), keep_io_types=True), half)
    assert mapped_weights(half)["encoder/block_01/attention/qkv/weight"].dtype == np.float16
    (one, _), (other, _) = look_at(half, 70, 98), look_at(dinov2[0], 70, 98)
    wanted = other.attention(2, (3, 4)).row
    np.testing.assert_allclose(one.attention(2, (3, 4)).row, wanted, atol=0.05 * wanted.max())
    assert np.abs(one.attention(2, (3, 4)).row - wanted).max() > 0


def test_a_quantised_file_says_what_it_lacks(dinov2: tuple[Path, Any], tmp_path: Path) -> None:
    small = tmp_path / "int8.onnx"
    quantize_dynamic(dinov2[0], small, op_types_to_quantize=["MatMul"], weight_type=QuantType.QInt8)
    scene, _ = look_at(small, 70, 98)
    with pytest.raises(dptscope.ModelFileError, match=r"expected the weight encoder/block_02/attention/qkv/weight, "):
        scene.attention(2, (3, 4))
