"""Depth Anything 3's any-view files: each published size is recognised and filled; what one photo has no use for is left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from exporter.checkpoints.test_read import published
from safetensors.torch import save_file
from support import any_view_oracle as oracle

from dptscope_export.checkpoints.key_map import load_strictly
from dptscope_export.checkpoints.read import Checkpoint, read_checkpoint
from dptscope_export.errors import CheckpointError, VariantError
from dptscope_export.families import ExportOptions, recognise
from dptscope_export.pipeline import build

VARIANT = "depth-anything-3"


def published_any_view(size: str) -> Checkpoint:
    """Names and shapes of a published file, as they are after reading."""
    listed = published(f"da3_{size}", called=f"depth-anything/DA3-{size.upper()}")
    return Checkpoint(listed.name, {n.removeprefix("model."): t for n, t in listed.tensors.items()}, listed.sha256)


@pytest.mark.parametrize(
    ("size", "architecture", "first", "taps", "fusion"),
    [
        ("small", "vits", 4, (5, 7, 9, 11), 64),
        ("base", "vitb", 4, (5, 7, 9, 11), 128),
        ("large", "vitl", 8, (11, 15, 19, 23), 256),
        ("giant", "vitg", 13, (19, 27, 33, 39), 256),
    ],
)
def test_published_lists_fill_the_models(
    size: str, architecture: str, first: int, taps: tuple[int, ...], fusion: int
) -> None:
    checkpoint = published_any_view(size)
    plan = recognise(checkpoint, ExportOptions())
    assert (plan.variant, plan.architecture, plan.taps, plan.fusion_channels) == (VARIANT, architecture, taps, fusion)
    assert (plan.camera_token_from, plan.has_confidence, plan.depth_kind) == (first, True, "distance")
    with torch.device("meta"):
        model = plan.build()
    load_strictly(model, checkpoint, plan.key_map)
    # All but cameras, rays, Gaussians and the second camera token is the model's.
    kept = [n for n in checkpoint.tensors if n.startswith(("backbone.", "head.")) and "_aux" not in n]
    numbers = sum(checkpoint.tensors[name].numel() for name in kept) - plan.blocks[0].channels
    assert sum(parameter.numel() for parameter in model.parameters()) == numbers


def test_what_is_missing_or_strange() -> None:
    checkpoint = published_any_view("small")
    plan = recognise(checkpoint, ExportOptions())
    with torch.device("meta"):
        model = plan.build()
    shared = {f"head.scratch.output_conv2_aux.{k}.2.weight": torch.empty(32, device="meta") for k in (1, 2, 3)}
    load_strictly(model, Checkpoint("x", {**checkpoint.tensors, **shared}, ""), plan.key_map)
    for strange in ("head.scratch.sky_output_conv2.0.weight", "backbone.pretrained.register_tokens"):
        more = {**checkpoint.tensors, strange: torch.empty(1, device="meta")}
        with pytest.raises(CheckpointError, match=f"1 unexpected tensors: {strange}"):
            load_strictly(model, Checkpoint("x", more, ""), plan.key_map)
    for part, what in (("blocks.7.attn.k_norm.bias", "missing"), ("norm.weight", "missing")):
        fewer = {name: t for name, t in checkpoint.tensors.items() if name != f"backbone.pretrained.{part}"}
        with pytest.raises(CheckpointError, match=what):
            load_strictly(model, Checkpoint("x", fewer, ""), plan.key_map)
    holes = {name: t for name, t in checkpoint.tensors.items() if "blocks.6.attn.q_norm" not in name}
    with pytest.raises(CheckpointError, match=r"q_norm\) from one on to the last, got 7 of 12"):
        recognise(Checkpoint("x", holes, ""), ExportOptions())
    last = "head.scratch.output_conv2.2.weight"
    wider = {**checkpoint.tensors, last: torch.empty(3, 32, 1, 1, device="meta")}
    with pytest.raises(CheckpointError, match=f"of another shape: {last}"):
        load_strictly(model, Checkpoint("x", wider, ""), plan.key_map)
    camera = "backbone.pretrained.camera_token"
    for axes in ((), (768,), (1, 2, 384, 1)):
        strange_camera = {**checkpoint.tensors, camera: torch.empty(axes, device="meta")}
        with pytest.raises(CheckpointError, match=f"1 tensors of another shape: {camera}"):
            load_strictly(model, Checkpoint("x", strange_camera, ""), plan.key_map)


def test_the_user_and_the_config(tmp_path: Path) -> None:
    save_file(oracle.tensors(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"model_name": "da3-small"}))
    checkpoint = read_checkpoint(tmp_path)
    assert not checkpoint.notes, "what is not used makes no noise"
    assert recognise(checkpoint, ExportOptions(variant=VARIANT)).evidence.endswith("model_name da3-small")
    with pytest.raises(VariantError, match=f"the tensors say {VARIANT}, got --variant depth-anything-3-mono"):
        recognise(checkpoint, ExportOptions(variant="depth-anything-3-mono"))
    with pytest.raises(VariantError, match="--max-depth"):
        recognise(checkpoint, ExportOptions(max_depth=80.0))
    build(checkpoint, recognise(checkpoint, ExportOptions()))


def test_torch_model_of_published_depth(tmp_path: Path) -> None:
    """Twelve blocks, rotary from the fifth, in half precision."""
    weights = {name: tensor.half() for name, tensor in oracle.tensors(blocks=12, first=4, width=64, seed=43).items()}
    torch.save({"model_state": weights}, tmp_path / "any.pth")
    checkpoint = read_checkpoint(tmp_path / "any.pth")
    model = build(checkpoint, recognise(checkpoint, ExportOptions()))
    image = torch.randn(2, 3, 98, 56, generator=torch.Generator().manual_seed(9))
    wanted = oracle.run({name: tensor.float() for name, tensor in weights.items()}, image)
    with torch.no_grad():
        depth, confidence = model.maps(model.features(image).fusion_inputs)
    assert (depth - wanted.depth).abs().max() <= 2e-4 * wanted.depth.std()
    assert (confidence - wanted.confidence).abs().max() <= 2e-4 * wanted.confidence.std()
