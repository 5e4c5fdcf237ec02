"""Depth Anything 3, mono and metric, from the published layout to onnxruntime, against a restatement of the network."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support import da3_oracle
from support.block import check_blocks
from support.parity import DEPTH_LIMIT, NORM_LIMIT, Scales, apart, hold_file

import dptscope
from dptscope import contract
from dptscope.commands import app as cli
from dptscope.commands.demo import ASSETS
from dptscope.files.photos import read_image
from dptscope.pictures.colours import GREY
from dptscope.pictures.depth import depth_picture
from dptscope.prepare import prepare_image
from dptscope.resize import resize_depth
from dptscope.session import Session
from dptscope.sky import SKY_FROM
from dptscope_export.checkpoints.read import read_checkpoint
from dptscope_export.families import ExportOptions, recognise
from dptscope_export.pipeline import Exported, build, export
from dptscope_export.quantise.pipeline import quantise

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
def metric(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Five blocks, for any size, from a folder."""
    folder = tmp_path_factory.mktemp("metric")
    weights = da3_oracle.tensors(blocks=5, seed=31)
    return Case(export(save_folder(weights, folder / "hub", "da3metric-large"), folder / "metric.onnx"), weights)


def test_attention_from_the_file(metric: Case) -> None:
    check_blocks(metric.exported.model, (70, 98), 6e-7)


def hold_against(case: Case, image: torch.Tensor, scales: Scales = (1, 1, 1, 1)) -> None:
    wanted = da3_oracle.run(case.weights, image, scales)
    maps = {contract.DEPTH: wanted.depth, contract.SKY: wanted.sky}
    hold_file(case.exported.model, image, maps, wanted.tokens, scales=scales)


@pytest.mark.parametrize("size", [(70, 70), (98, 42), (28, 140), (126, 112)])
def test_in_onnxruntime(metric: Case, size: tuple[int, int]) -> None:
    """The grid of the learned positions, tall, wide, larger: sizes the tracer never saw, as a batch of two."""
    hold_against(metric, torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(sum(size))))


MISTAKES: dict[str, tuple[str, Any]] = {
    "no offset of the positions": ("GRID_OFFSET", 1e-9),
    "the blocks' epsilon is torch's": ("BLOCK_EPS", 1e-5),
    "the last four blocks feed the fusion, as in V1": ("taps_of", lambda blocks: range(blocks - 4, blocks)),
    "the depth ends in a ReLU, as in V2": ("ACTIVATION", torch.relu),
    "exp - 1, as in other models": ("ACTIVATION", torch.expm1),
    "a softplus": ("ACTIVATION", torch.nn.functional.softplus),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_limits_would_show_it(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each mistake made once. The epsilon of the norm after the blocks shows nowhere: 5e-5 of the depth's deviation."""
    weights = da3_oracle.tensors(blocks=5, seed=31)
    image = torch.randn(2, 3, 98, 42, generator=torch.Generator().manual_seed(1))
    right = da3_oracle.run(weights, image)
    monkeypatch.setattr(da3_oracle, *MISTAKES[mistake])
    wrong = da3_oracle.run(weights, image)
    depth, norms = apart(wrong.depth, wrong.tokens, right.depth, right.tokens)
    assert depth > 1.5 or norms > 4


def test_int8_tells_of_the_sky(metric: Case, tmp_path: Path) -> None:
    """Share of the pixels that are sky in both files or in none; the photos are those that come with the package."""
    fidelity = quantise(metric.exported.model, tmp_path, floor=0).card.fidelity
    assert fidelity is not None and fidelity.confidence is None
    files = metric.exported.model, tmp_path / "metric.int8.onnx"
    photos = [read_image(photo) for photo in sorted((ASSETS / "photos").glob("*.png"))]
    skies = [[dptscope.load(file).prepare(photo).sky for photo in photos] for file in files]
    shares = [float(((a >= SKY_FROM) == (b >= SKY_FROM)).mean()) for a, b in zip(*skies, strict=True)]
    assert fidelity.sky is not None and 0.5 < fidelity.sky.worst < 1
    np.testing.assert_allclose((fidelity.sky.worst, fidelity.sky.mean), (min(shares), np.mean(shares)))


def test_scales(metric: Case) -> None:
    """Depth and sky both follow the scales, in the whole file; the companion gives the same depth."""
    image = torch.randn(1, 3, 84, 112, generator=torch.Generator().manual_seed(8))
    hold_against(metric, image, SCALES)
    plain, scaled = (da3_oracle.run(metric.weights, image, scales) for scales in ((1, 1, 1, 1), SCALES))
    assert (plain.depth - scaled.depth).abs().max() > 0.5 * plain.depth.std(), "the scales must matter"
    assert (plain.sky - scaled.sky).abs().max() > 0.5 * plain.sky.std()

    model = dptscope.load(metric.exported.model)
    fusion_names = [contract.fusion_input_name(k) for k in contract.FUSION_BLOCKS]
    inputs = model.run(image.numpy(), fusion_names)
    through = model.fuse([inputs[name] for name in fusion_names], SCALES)
    assert np.abs(through - scaled.depth.numpy()).max() <= DEPTH_LIMIT * scaled.depth.numpy().std()


def test_the_card(metric: Case) -> None:
    card = metric.exported.card
    assert (card.variant, card.evidence) == ("depth-anything-3-metric", "model_name da3metric-large in config.json")
    assert (card.depth_kind, card.max_depth, card.canonical_focal, card.has_sky) == ("distance", None, 300.0, True)
    assert (card.native_size, card.dynamic, card.size_multiple) == ((504, 504), True, 14)
    assert card.parity is not None and card.parity.norms <= NORM_LIMIT
    for file in (metric.exported.companion, metric.exported.preview):
        assert [node.name for node in Session(file).outputs] == [contract.DEPTH], "the sky costs a slider nothing"


def test_mono_for_one_size(tmp_path: Path) -> None:
    """As wide as published files in fusion, where graph passes begin, in the forms that differ most."""
    weights = da3_oracle.tensors(fusion=256, hidden=32, seed=32)
    save_file(weights, tmp_path / "any.safetensors")
    options = ExportOptions(variant="depth-anything-3-mono", fixed=(98, 56))
    for form in ("default", "readable"):  # in the portable operators, one function a block
        exported = export(tmp_path / "any.safetensors", tmp_path / f"{form}.onnx", options, form=form)  # type: ignore[arg-type]
        assert (exported.card.depth_kind, exported.card.canonical_focal) == ("distance", None)
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


def test_depth_of_a_photo(metric: Case, photo_path: Path, photo_bgr: Any, tmp_path: Path, capsys: Any) -> None:
    """Without a focal length the numbers are the model's, and that is said; with one they are metres."""
    model, out = str(metric.exported.model), tmp_path / "out"
    assert cli.run(["depth", model, str(photo_path), "-o", str(out), "--format", "npy,png16"]) == 0
    said = capsys.readouterr().err
    assert said == (
        "dptscope: note: the depth is in metres × 300 / focal length in pixels of the model's input, larger is farther; "
        "--focal or --fov gives metres\n"
    )
    plain = np.load(out / "motorcycle_depth.npy")
    prediction = dptscope.load(model).predict(photo_bgr)
    assert prediction.raw.shape == (336, 504)  # 500 × 741: to 340 × 504, then to multiples of 14
    assert prediction.kind == "distance" and prediction.sky is not None
    np.testing.assert_array_equal(plain, prediction.depth)
    np.testing.assert_array_equal(np.load(out / "motorcycle_sky.npy"), prediction.sky)
    wanted = cv2.resize(prediction.raw, (741, 500), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(plain, wanted, rtol=1e-6)
    data = (out / "motorcycle_depth16.png").read_bytes()
    assert b"tEXtDescription\x000 is the minimum, the nearest, 65535 the maximum, the farthest" in data
    deep = cv2.imread(str(out / "motorcycle_depth16.png"), cv2.IMREAD_UNCHANGED)
    assert deep.argmax() == plain.argmax() and (deep.min(), deep.max()) == (0, 65535)

    arguments = ["depth", model, str(photo_path), "-o", str(out), "--format", "npy"]
    for options, focal in ((["--focal", "800"], 800.0), (["--fov", "60"], 741 / 2 / np.tan(np.pi / 6))):
        assert cli.run([*arguments, *options]) == 0
        assert capsys.readouterr().err == ""
        np.testing.assert_allclose(np.load(out / "motorcycle_depth.npy"), plain * (focal * 504 / 741 / 300), rtol=1e-5)
    # A camera's note is offered as a guess.
    _, encoded = cv2.imencode(".jpg", photo_bgr)
    exif = struct.pack("<2sHIHHHIII", b"II", 42, 8, 1, 34665, 4, 1, 26, 0) + struct.pack(
        "<HHHIHHI", 1, 41989, 3, 1, 26, 0, 0
    )
    jpeg = (
        encoded.tobytes()[:2]
        + b"\xff\xe1"
        + struct.pack(">H", len(exif) + 8)
        + b"Exif\0\0"
        + exif
        + encoded.tobytes()[2:]
    )
    (tmp_path / "camera.jpg").write_bytes(jpeg)
    assert cli.run(["depth", model, str(tmp_path / "camera.jpg"), "-o", str(out), "--format", "npy"]) == 0
    wanted_fov = np.degrees(2 * np.arctan(741 / 2 / (26 / np.hypot(36, 24) * np.hypot(500, 741))))
    said = capsys.readouterr().err.splitlines()
    assert (
        len(said) == 2 and f"26 mm as on 35 mm film, from which --fov {wanted_fov:.1f} would follow: a guess" in said[1]
    )
    assert cli.run([*arguments, "--focal", "800", "--fov", "60"]) == 2
    assert "expected a focal length or a field of view, got both" in capsys.readouterr().err


def test_the_sky_goes_far(metric: Case, photo_bgr: Any) -> None:
    model = dptscope.load(metric.exported.model)
    plain, far = model.predict(photo_bgr), model.predict(photo_bgr, far_sky=True, focal=741.0)
    np.testing.assert_array_equal(plain.raw, far.raw)
    raw_sky = model.run(prepare_image(model.card, photo_bgr), [contract.SKY])[contract.SKY][0]
    filled = np.where(raw_sky >= 0.3, np.quantile(plain.raw[raw_sky < 0.3], 0.99), plain.raw)
    wanted = resize_depth(filled.astype(np.float32), photo_bgr.shape[:2], "bilinear") * np.float32(504 / 300)
    np.testing.assert_allclose(far.depth, wanted, rtol=1e-5)
    assert far.kind == "metric" and 0.05 < (raw_sky >= 0.3).mean() < 0.95
    scene = model.prepare(photo_bgr)
    assert scene.sky is not None
    np.testing.assert_allclose(scene.sky, raw_sky, atol=1e-5)
    np.testing.assert_allclose(scene.depth(far_sky=True, focal=741.0), far.depth, rtol=1e-4)
    np.testing.assert_array_equal(scene.depth(), resize_depth(scene.raw_depth(), photo_bgr.shape[:2], "bilinear"))


def test_the_nearest_is_bright(metric: Case, photo_bgr: Any) -> None:
    prediction = dptscope.load(metric.exported.model).predict(photo_bgr)
    grey = depth_picture(prediction.depth, prediction.kind, colours=GREY)[..., 0]
    assert grey.flat[prediction.depth.argmin()] == 255 and grey.flat[prediction.depth.argmax()] == 0
