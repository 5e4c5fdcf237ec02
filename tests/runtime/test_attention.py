"""Attention from a file's tokens and weights: the rest of the block, computed here with it, gives the file's next tokens."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.block import Block, Weights, relative_error, softmax_of_all, tokens_into, tokens_of

import dptscope
from dptscope.arrays import Float32Array
from dptscope.attention.families import block_attention, projected
from dptscope.attention.relative_bias import OffsetBias, WithAddedTokens
from dptscope.attention.weights import layer_norm
from dptscope.files.onnx_file import mapped_weights

SHIPPED = Path(dptscope.__file__).parent / "assets/dptscope_tiny.onnx"  # trained; 3 heads


@pytest.fixture(scope="module")
def scene(photo_bgr: Any) -> dptscope.Scene:
    return dptscope.load(SHIPPED).prepare(photo_bgr, size=98, keep_tokens=True)


def test_weights_are_views_into_the_file() -> None:
    weights = mapped_weights(SHIPPED)
    gain = weights["encoder/block_03/norm1/weight"]
    assert gain.dtype == np.float32 and gain.shape == (192,)
    assert not gain.flags.owndata and not gain.flags.writeable
    assert gain.tobytes() in SHIPPED.read_bytes()


# Logits of block 0 are in the hundreds: their rounding is that of its weights.
@pytest.mark.parametrize(("block", "limit"), [(0, 3e-6), (1, 3e-7), (11, 3e-7)])
def test_a_block_computed_with_it_is_the_file_s_own(scene: dptscope.Scene, block: int, limit: float) -> None:
    before, wanted = tokens_into(scene, block), tokens_of(scene, block)
    got = Block(mapped_weights(SHIPPED), f"encoder/block_{block:02d}").next_tokens(before, softmax_of_all(scene, block))
    assert np.abs(got - before).mean() > 0.05 * before.std(), "a block that does nothing proves nothing"
    assert relative_error(got, wanted) <= limit
    assert np.abs(got - wanted).max() <= 20 * limit * wanted.std()


def test_rows_and_columns_are_of_one_matrix(scene: dptscope.Scene) -> None:
    weights_hnn = softmax_of_all(scene, 5)
    np.testing.assert_allclose(weights_hnn.sum(-1), 1, atol=1e-5)
    rows, columns = scene.block_norms[0].shape
    received = scene.block_attention(5).received()
    np.testing.assert_allclose(received.special, weights_hnn[..., :1].sum(1).mean(0), rtol=1e-4)
    np.testing.assert_allclose(received.grid.reshape(-1), weights_hnn[..., 1:].sum(1).mean(0), rtol=1e-4)
    for token, place in (((3, 4), 1 + 3 * columns + 4), ((rows - 1, columns - 1), rows * columns), ("class", 0)):
        found = scene.attention(5, token)
        column_hn = np.concatenate([found.column_special, found.column.reshape(3, -1)], axis=1)
        np.testing.assert_allclose(column_hn, weights_hnn[:, :, place], atol=1e-5)
        assert {part.dtype for part in (found.row, found.column, found.row_special, found.column_special)} == {
            np.dtype(np.float32)
        }


def test_rows_are_a_full_softmax(scene: dptscope.Scene) -> None:
    """In float64, from the logits of all pairs."""
    before = tokens_of(scene, 6).astype(np.float64)
    weights = {name: array.astype(np.float64) for name, array in mapped_weights(SHIPPED).items() if "block_07" in name}
    path = "encoder/block_07"
    normal = (before - before.mean(1, keepdims=True)) / np.sqrt(before.var(1, keepdims=True) + 1e-6)
    normal = normal * weights[f"{path}/norm1/weight"] + weights[f"{path}/norm1/bias"]
    qkv = normal @ weights[f"{path}/attention/qkv/weight"] + weights[f"{path}/attention/qkv/bias"]
    for head in range(3):
        query, key = qkv[:, 64 * head : 64 * (head + 1)], qkv[:, 192 + 64 * head : 192 + 64 * (head + 1)]
        wanted = np.exp(query @ key.T / 8)
        wanted /= wanted.sum(-1, keepdims=True)
        np.testing.assert_allclose(softmax_of_all(scene, 7)[head], wanted, atol=3e-6)


def test_rows_of_zeros_behind_the_weights_change_nothing() -> None:
    """As the pass "pad-rows" leaves them in a ViT-L."""
    rng = np.random.default_rng(0)
    tokens = rng.normal(size=(5, 128)).astype(np.float32)
    made: dict[str, Float32Array] = {
        "b/norm1/weight": rng.normal(size=128).astype(np.float32),
        "b/norm1/bias": rng.normal(size=128).astype(np.float32),
        "b/attention/qkv/weight": rng.normal(size=(128, 384)).astype(np.float32),
        "b/attention/qkv/bias": rng.normal(size=384).astype(np.float32),
    }
    plain = projected(Weights(made), "b", tokens, 2)
    made["b/attention/qkv/weight"] = np.pad(made["b/attention/qkv/weight"], ((0, 16), (0, 0)))
    padded = projected(Weights(made), "b", tokens, 2)
    for one, other in zip(plain, padded, strict=True):
        assert one.shape == (2, 5, 64)
        np.testing.assert_array_equal(one, other)
    normal = layer_norm(tokens, made["b/norm1/weight"], made["b/norm1/bias"], 1e-6)
    key = normal @ made["b/attention/qkv/weight"][:128, 128 + 64 : 256] + made["b/attention/qkv/bias"][128 + 64 : 256]
    np.testing.assert_allclose(plain[1][1], key, atol=1e-4)


def test_added_tokens_have_no_bias() -> None:
    """Between the class token and a grid of 3 × 4, by queries in pieces of any length, by query and by key."""
    rng = np.random.default_rng(0)
    offsets, cls = rng.normal(size=(2, 5, 7)).astype(np.float32), rng.normal(size=(3, 2)).astype(np.float32)
    bias = OffsetBias(offsets, (3, 4), *cls)
    wide = WithAddedTokens(bias, 2, 15)
    whole = np.stack([bias.rows(head, 0, 13) for head in range(2)])
    wanted = np.insert(np.insert(whole, [1, 1], 0, axis=1), [1, 1], 0, axis=2)
    assert not wanted[:, 1:3].any() and not wanted[:, :, 1:3].any() and np.count_nonzero(wanted) == whole.size
    for length in (1, 2, 4, 15):
        for start in range(0, 15, length):
            stop = min(start + length, 15)
            np.testing.assert_array_equal(wide.rows(1, start, stop), wanted[1, start:stop])
    for token in range(15):
        np.testing.assert_array_equal(wide.row(token), wanted[:, token])
        np.testing.assert_array_equal(wide.column(token), wanted[:, :, token])


def test_many_queries_at_a_time(photo_bgr: Any) -> None:
    """More tokens than are taken at once."""
    scene = dptscope.load(SHIPPED).prepare(photo_bgr, size=322, keep_tokens=True)
    rows, columns = scene.block_norms[0].shape
    assert rows * columns > 600
    found = scene.attention(4, (rows - 1, columns - 1))
    np.testing.assert_allclose(found.row.sum((1, 2)) + found.row_special.sum(1), 1, atol=1e-5)
    received = scene.block_attention(4).received()
    wanted = (found.column.sum((1, 2)) + found.column_special.sum(1)).mean()
    np.testing.assert_allclose(received.grid[rows - 1, columns - 1], wanted, rtol=1e-4)
    np.testing.assert_allclose(received.grid.sum() + received.special.sum(), rows * columns + 1, rtol=1e-5)


def test_what_cannot_be_had(scene: dptscope.Scene, photo_bgr: Any, tmp_path: Path) -> None:
    with pytest.raises(dptscope.DptscopeError, match=r"a block from 0 to 11, got 12"):
        scene.attention(12, (0, 0))
    with pytest.raises(dptscope.DptscopeError, match=r"grid of 7 × 10, got row 7, column 0"):
        scene.attention(3, (7, 0))
    with pytest.raises(dptscope.DptscopeError, match="keep_tokens=True"):
        dptscope.load(SHIPPED).prepare(photo_bgr, size=56).attention(3, (0, 0))


def test_a_file_that_does_not_say_what_goes_into_block_0(photo_bgr: Any, tiny_model: Path) -> None:
    """As earlier exports do not."""
    old = dptscope.load(tiny_model.parent / "version_1" / tiny_model.name)
    scene = old.prepare(photo_bgr, size=56, keep_tokens=True)
    with pytest.raises(dptscope.ModelFileError, match="expected the output embedded_tokens, what block 0 attends with"):
        scene.attention(0, (0, 0))
    assert scene.attention(1, (0, 0)).row.shape == (1, *scene.block_norms[0].shape)


def test_weights_that_do_not_fit(photo_bgr: Any, tmp_path: Path) -> None:
    """Or that float32 cannot multiply: a file may hold anything under a name."""
    scene = dptscope.load(SHIPPED).prepare(photo_bgr, size=56, keep_tokens=True)
    card = dptscope.load(SHIPPED).card
    tokens, cls = scene.block_tokens[2], None if scene.cls_tokens is None else scene.cls_tokens[2:3]
    mapped = mapped_weights(SHIPPED)
    bias = "encoder/block_03/attention/qkv/bias"
    with pytest.raises(dptscope.ModelFileError, match=r"a\.onnx: expected weights of attention that fit its tokens"):
        block_attention(card, Weights({**mapped, bias: np.zeros(7, np.float32)}, "a.onnx"), 3, tokens, cls)
    with pytest.raises(dptscope.DptscopeError, match="weights that are too large"):
        block_attention(card, Weights({**mapped, bias: mapped[bias] * np.float32(1e25)}), 3, tokens, cls)


def test_another_file_under_the_name(photo_bgr: Any, tmp_path: Path) -> None:
    """Weights are mapped when they are first needed; an export may have replaced the file by then."""
    path = Path(shutil.copy(SHIPPED, tmp_path / "a.onnx"))
    scene = dptscope.load(path).prepare(photo_bgr, size=56, keep_tokens=True)
    shutil.copy(SHIPPED, tmp_path / "b.onnx")
    (tmp_path / "b.onnx").replace(path)
    with pytest.raises(
        dptscope.ModelFileError, match="expected the file that was opened, got another one under its name"
    ):
        scene.attention(3, (0, 0))


def test_a_scene_from_another_process(scene: dptscope.Scene) -> None:
    scene.attention(3, (2, 2))
    again = pickle.loads(pickle.dumps(scene))
    for block in (3, 4):
        np.testing.assert_array_equal(again.attention(block, (2, 2)).row, scene.attention(block, (2, 2)).row)
