"""Depth Anything 3 any-view on one photo, from the published layout to onnxruntime, against a restatement of the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support import any_view_oracle as oracle
from support.block import Block, relative_error, softmax_of_all, tokens_of
from support.da3_oracle import norm
from support.parity import DEPTH_LIMIT, NORM_LIMIT, Scales, apart, hold_file

import dptscope
from dptscope import contract
from dptscope.commands import app as cli
from dptscope.commands.demo import ASSETS
from dptscope.files.onnx_file import mapped_weights
from dptscope.files.photos import read_image
from dptscope.scene import Scene
from dptscope_export.families import ExportOptions
from dptscope_export.pipeline import Exported, export
from dptscope_export.quantise.pipeline import quantise

SCALES = (0.5, -1.5, 0.25, 2.0)
BLOCK_LIMIT = 6e-7  # root of the mean square difference ÷ the tokens' standard deviation


@dataclass(frozen=True)
class Case:
    exported: Exported
    weights: oracle.Tensors


@pytest.fixture(scope="module")
def any_view(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Four blocks of two heads, the last three with rotary positions, for any size."""
    folder = tmp_path_factory.mktemp("any_view")
    weights = oracle.tensors(seed=41)
    save_file(weights, folder / "model.safetensors")
    return Case(export(folder / "model.safetensors", folder / "any_view.onnx"), weights)


def hold_against(case: Case, image: torch.Tensor, scales: Scales = (1, 1, 1, 1)) -> None:
    wanted = oracle.run(case.weights, image, scales)
    maps = {contract.DEPTH: wanted.depth, contract.CONFIDENCE: wanted.confidence}
    hold_file(case.exported.model, image, maps, wanted.tokens, scales=scales)


@pytest.mark.parametrize("size", [(70, 70), (98, 42), (28, 140), (126, 112)])
def test_in_onnxruntime(any_view: Case, size: tuple[int, int]) -> None:
    """The grid of the learned positions, tall, wide, larger: sizes the tracer never saw, as a batch of two."""
    hold_against(any_view, torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(sum(size))))


def test_scales_companion_and_preview(any_view: Case) -> None:
    image = torch.randn(1, 3, 84, 112, generator=torch.Generator().manual_seed(8))
    hold_against(any_view, image, SCALES)
    model = dptscope.load(any_view.exported.model)
    names = [contract.DEPTH, *(contract.fusion_input_name(k) for k in contract.FUSION_BLOCKS)]
    plain, *inputs = model.run(image.numpy(), names).values()
    wanted = oracle.run(any_view.weights, image, SCALES).depth.numpy()
    assert np.abs(plain - wanted).max() > 0.5 * wanted.std(), "the scales must matter"
    assert np.abs(model.fuse(inputs, SCALES) - wanted).max() <= DEPTH_LIMIT * wanted.std()
    coarse = cv2.resize(model.preview(inputs, SCALES)[0], (112, 84), interpolation=cv2.INTER_LINEAR)
    assert np.corrcoef(np.log(coarse).ravel(), np.log(wanted).ravel())[0, 1] > 0.7


def test_the_card(any_view: Case, capsys: pytest.CaptureFixture[str]) -> None:
    card = any_view.exported.card
    assert (card.variant, card.evidence, card.depth_kind) == (
        "depth-anything-3",
        "the tensors' names and shapes",
        "distance",
    )
    assert (card.has_confidence, card.has_sky, card.camera_token_from) == (True, False, 1)
    assert (card.taps, card.native_size, card.dynamic, card.heads) == ((1, 3, 3, 3), (504, 504), True, 2)
    assert card.parity is not None and card.parity.norms <= NORM_LIMIT
    assert cli.run(["info", str(any_view.exported.model)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "from block 1 on a camera token is in its place" in said


def test_int8_tells_of_the_confidence(any_view: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fidelity = quantise(any_view.exported.model, tmp_path, floor=0).card.fidelity
    assert fidelity is not None and fidelity.sky is None and fidelity.confidence is not None
    files = any_view.exported.model, tmp_path / "any_view.int8.onnx"
    photos = [read_image(photo) for photo in sorted((ASSETS / "photos").glob("*.png"))]
    maps = [[dptscope.load(file).prepare(photo).confidence for photo in photos] for file in files]
    correlations = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(*maps, strict=True)]
    expected = min(correlations), np.mean(correlations)
    np.testing.assert_allclose((fidelity.confidence.worst, fidelity.confidence.mean), expected, rtol=1e-5)
    assert 0.5 < expected[0] < 1
    assert cli.run(["info", str(files[1])]) == 0
    assert f"correlation of the confidence {expected[1]:.4f}, worst" in " ".join(capsys.readouterr().out.split())


def test_a_readable_file_for_one_size(tmp_path: Path) -> None:
    """Of a fusion as wide as published large files, where graph passes begin; in the portable operators."""
    weights = oracle.tensors(fusion=256, hidden=32, seed=42)
    save_file(weights, tmp_path / "any.safetensors")
    exported = export(
        tmp_path / "any.safetensors",
        tmp_path / "fixed.onnx",
        ExportOptions(variant="depth-anything-3", fixed=(98, 56)),
        form="readable",
    )
    hold_against(Case(exported, weights), torch.randn(3, 3, 98, 56, generator=torch.Generator().manual_seed(7)))


def test_depth_of_a_photo(any_view: Case, photo_path: Path, photo_bgr: Any, tmp_path: Path) -> None:
    """500 × 741 to 340 × 504, then to multiples of 14, in bytes; no metres; the confidence is kept beside the depth."""
    model = any_view.exported.model
    assert cli.run(["depth", str(model), str(photo_path), "-o", str(tmp_path), "--format", "npy"]) == 0
    first = cv2.resize(photo_bgr, (504, 340), interpolation=cv2.INTER_AREA)
    pixels = cv2.cvtColor(cv2.resize(first, (504, 336), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB) / 255
    image = ((pixels - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).transpose(2, 0, 1)[None]
    wanted = oracle.run(any_view.weights, torch.tensor(image, dtype=torch.float32))
    for name, map_bhw in (("depth", wanted.depth), ("confidence", wanted.confidence)):
        large = cv2.resize(map_bhw[0].numpy(), (741, 500), interpolation=cv2.INTER_LINEAR)
        found = np.load(tmp_path / f"motorcycle_{name}.npy")
        # Of the values themselves: among 250,000 pixels the largest depth is many deviations away.
        np.testing.assert_allclose(found, large, rtol=1e-4, err_msg=name)
    prediction = dptscope.load(model).predict(photo_bgr)
    assert prediction.sky is None and prediction.confidence is not None and prediction.confidence.min() >= 1
    with pytest.raises(dptscope.DptscopeError, match="focal"):
        dptscope.load(model).predict(photo_bgr, focal=700)


def test_attention(any_view: Case) -> None:
    """Whole blocks recomputed with it, of both kinds of positions, and where the camera token comes in."""
    image = torch.randn(1, 3, 70, 98, generator=torch.Generator().manual_seed(5))
    scene = Scene(dptscope.load(any_view.exported.model).graphs, image.numpy(), (70, 98), keep_tokens=True)
    weights = mapped_weights(any_view.exported.model)
    assert scene.confidence is not None and scene.confidence.shape == (70, 98)
    camera = any_view.weights["model.backbone.pretrained.camera_token"][0, 0].numpy()
    assert scene.attention(0, "class").row_special.shape == (2, 1)
    for block in range(1, 4):
        before = tokens_of(scene, block - 1).copy()
        if block == 1:
            assert np.abs(before[0] - camera).max() > 0.1
            before[0] = camera
        weights_hnn = softmax_of_all(scene, block)
        assert weights_hnn.std() > 0.1 / weights_hnn.shape[-1]
        got = Block(weights, f"encoder/block_{block:02d}").next_tokens(before, weights_hnn)
        assert relative_error(got, tokens_of(scene, block)) <= BLOCK_LIMIT, block
        for token, place in (((0, 0), 1), ((4, 3), 1 + 4 * 7 + 3), ("class", 0)):
            found = scene.attention(block, token)  # type: ignore[arg-type]
            column_hn = np.concatenate([found.column_special, found.column.reshape(2, -1)], axis=1)
            np.testing.assert_allclose(column_hn, weights_hnn[:, :, place], atol=2e-6)


def normed_after(w: oracle.Tensors, name: str, vectors: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    return norm(w, name, oracle.turn(vectors, turns), oracle.EPS)


def norm_of_both(local: torch.Tensor, own: torch.Tensor, w: oracle.Tensors) -> torch.Tensor:
    return norm_of_neither(*(norm(w, f"{oracle.ENCODER}.norm", tokens, oracle.EPS) for tokens in (local, own)), w)


def norm_of_neither(local: torch.Tensor, own: torch.Tensor, _: oracle.Tensors) -> torch.Tensor:
    return torch.cat([local, own], dim=-1)


def columns_first(right: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    return lambda *arguments: torch.cat(right(*arguments).split(16, dim=1)[::-1], dim=1)


def cosines_first(right: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    return lambda *arguments: torch.cat(right(*arguments).chunk(2, dim=-1)[::-1], dim=-1)


MISTAKES: dict[str, tuple[str, Any]] = {
    "the camera token of other photos": ("CAMERA", 1),
    "turned before they are normalised": ("prepare", normed_after),
    "pairs of neighbours": ("PAIR", 1),
    "turned the other way": ("turns_of", lambda *a, right=oracle.turns_of: right(*a).conj()),
    "the columns first": ("turns_of", columns_first(oracle.turns_of)),
    "frequencies of language models": ("TURN_BASE", 10000.0),
    "the first patch where the token before it is": ("FIRST_PATCH", 0),
    "all patches at zero in global blocks": ("GLOBAL_PLACE", 0),
    "the even blocks are global": ("GLOBAL_ODD", 0),
    "V2's taps": ("taps_of", lambda *_: (0, 1, 2, 3)),
    "a tap twice": ("last_local", lambda tap, _: tap),
    "the local half normalised, too": ("pair", norm_of_both),
    "neither half normalised": ("pair", norm_of_neither),
    "no places in the maps": ("WAVE_FACTOR", 0.0),
    "sines and cosines of full size": ("WAVE_FACTOR", 1.0),
    "frequencies of other embeddings": ("WAVE_BASE", 10000.0),
    "cosines before sines": ("waves", cosines_first(oracle.waves)),
    "a square photo": ("span_of", lambda _: (0.5**0.5, 0.5**0.5)),
    "corners at the ends": ("ends", lambda span, count: torch.linspace(-span, span, count, dtype=torch.float64)),
}


@pytest.fixture(scope="module")
def right() -> tuple[oracle.Tensors, torch.Tensor, oracle.Answer]:
    weights, image = oracle.tensors(seed=41), torch.randn(1, 3, 56, 42, generator=torch.Generator().manual_seed(1))
    return weights, image, oracle.run(weights, image)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_limits_would_show_it(mistake: str, right: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each mistake made once. What shows nowhere is the epsilon of the norms of queries, keys and taps."""
    weights, image, wanted = right
    monkeypatch.setattr(oracle, *MISTAKES[mistake])
    wrong = oracle.run(weights, image)
    assert max(apart(wrong.depth, wrong.tokens, wanted.depth, wanted.tokens)) > 10
