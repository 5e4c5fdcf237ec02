"""What the verification of an export measures a depth against, where it hardly varies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from support.seeded import write_tiny

from dptscope import contract
from dptscope_export.checkpoints.read import read_checkpoint
from dptscope_export.errors import VerificationError
from dptscope_export.families import ExportOptions, ExportPlan, recognise
from dptscope_export.graph.trace import example_fusion_inputs
from dptscope_export.models.dpt import DPT
from dptscope_export.pipeline import build, make_preview
from dptscope_export.verify import EXACT, LEAST_SPREAD, ROUNDED, _check_map, lively_image, verify
from dptscope_export.verify_expected import OtherKernels, expected_outputs

SHAPE = (1, 12, 16)


def depth(spread: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Ten metres at the far end."""
    return (10 - spread * np.random.default_rng(0).random(SHAPE)).astype(np.float32)


@pytest.mark.parametrize("spread", [5.0, 0.11, 1e-3, 1e-4, 1e-5, 0.0])
def test_rounding_passes_and_a_mistake_does_not(spread: float) -> None:
    """Three steps of float32 are rounding; three ten-thousandths of what the depth varies by are none, nor is as much of the
    least that it is taken to vary by."""
    wanted = depth(spread)
    unit = max(float(np.ptp(wanted)), LEAST_SPREAD * 10)
    of_std, of_range = _check_map(wanted + 3 * np.spacing(np.float32(10)), wanted, EXACT, "depth")
    assert 0 < of_range <= of_std < 1
    wrong = wanted.copy()
    wrong[0, 3, 4] += 3e-4 * unit
    with pytest.raises(VerificationError, match=r"depth: expected onnxruntime within 0\.0001 of its range of PyTorch"):
        _check_map(wrong, wanted, EXACT, "depth")


def test_weights_in_float16_where_a_scale_leaves_little_of_the_range() -> None:
    """A thousandth of ten metres is rounding there, but not with weights in float32; two thousandths are none."""
    wanted = depth(0.2)
    moved = wanted + np.float32(0.009)
    _check_map(moved, wanted, ROUNDED, "depth")
    for got, limits in ((moved, EXACT), (wanted + np.float32(0.02), ROUNDED)):
        with pytest.raises(VerificationError, match=r"depth: expected onnxruntime within"):
            _check_map(got, wanted, limits, "depth")


def near_end(case: Any, folder: Path) -> tuple[DPT, Path, ExportPlan]:
    """A model of up to 80 metres, with its files in a folder, whose sigmoid gives less than a millimetre everywhere."""
    checkpoint = read_checkpoint(case.checkpoint)
    plan = recognise(checkpoint, ExportOptions(fixed=case.exported.card.native_size))
    model = build(checkpoint, plan)
    last = last_layer(model)
    last["weight"] *= 0.01
    last["bias"].fill_(-14)
    arrays = {f"head/conv3/{leaf}": tensor.numpy() for leaf, tensor in last.items()}
    for path in case.exported.files:
        graph = onnx.load(path)
        for weight in graph.graph.initializer:
            if weight.name in arrays:
                weight.CopyFrom(onnx.numpy_helper.from_array(arrays[weight.name], weight.name))
        onnx.save(graph, folder / path.name)
    return model, folder / case.exported.model.name, plan


def last_layer(model: DPT) -> dict[str, torch.Tensor]:
    return model.head.get_submodule("conv3").state_dict()  # shares the model's memory


def test_a_depth_at_the_near_end_of_its_range(metric_fixed: Any, tmp_path: Path) -> None:
    """onnxruntime's sigmoid rounds by as much at both ends, so a model that is right passes; a wrong one does not."""
    model, path, plan = near_end(metric_fixed, tmp_path)
    preview = make_preview(model, plan, example_fusion_inputs(model, plan.sizes))
    with torch.no_grad():
        assert model(torch.zeros(1, 3, *plan.sizes.native)).max() < 1e-3
    assert verify(model, preview, path, plan).depth < 1e-4
    last_layer(model)["bias"] += 2
    with pytest.raises(VerificationError, match=r"depth at 98 × 56: expected onnxruntime within 0\.0001 of its range"):
        verify(model, preview, path, plan)


def test_maps_of_zeros() -> None:
    """Equal or not."""
    zeros = np.zeros(SHAPE, np.float32)
    assert _check_map(zeros, zeros, EXACT, "depth") == (0, 0)
    with pytest.raises(VerificationError, match="got inf"):
        _check_map(zeros + np.float32(1e-30), zeros, EXACT, "depth")
    with pytest.raises(VerificationError, match=r"expected shape \(1, 12, 16\), got \(12, 16\)"):
        _check_map(zeros[0], zeros, EXACT, "depth")


def test_beyond_the_limit_pytorchs_own_noise_is_the_measure() -> None:
    """What PyTorch's other kernels give is asked for only there, and a mistake that is larger is one."""
    wanted = depth(5.0)
    got, noise = wanted.copy(), wanted.copy()
    got[0, 3, 4] += 1e-2
    noise[0, 5, 6] -= 4e-3
    _, of_range = _check_map(got, wanted, EXACT, "depth", lambda: noise)
    assert of_range == pytest.approx(1e-2 / np.ptp(wanted), rel=1e-3)
    got[0, 3, 4] += 3e-3
    with pytest.raises(VerificationError, match=r"depth: expected onnxruntime within 0\.0024 of its range"):
        _check_map(got, wanted, EXACT, "depth", lambda: noise)
    with pytest.raises(VerificationError, match=r"within 0\.0001 of its range"):
        _check_map(got, wanted, EXACT, "depth", lambda: wanted)
    _check_map(wanted, wanted, EXACT, "depth", lambda: pytest.fail("within the limit nothing is asked"))


def test_other_kernels_are_as_right_and_not_the_same(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(write_tiny(tmp_path / "tiny.safetensors"))
    plan = recognise(checkpoint, ExportOptions())
    model = build(checkpoint, plan)
    image = lively_image(1, 70, 98, torch.Generator().manual_seed(0))
    scales = tuple(torch.full((1,), scale) for scale in (0.5, 1.5, 1.0, 2.0))
    other = OtherKernels(model, image, plan)
    with torch.no_grad():
        features = model.features(image)
        expected = expected_outputs(model, features, plan)
        expected["scaled"] = model.depth(features.fusion_inputs, scales).numpy()
    found = other.outputs | {"scaled": other.depth(scales)}
    assert found.keys() == expected.keys()
    for name, wanted in expected.items():
        assert np.abs(found[name] - wanted).max() <= 1e-5 * np.ptp(wanted), name
    assert not all(np.array_equal(found[name], wanted) for name, wanted in expected.items())
    assert not np.array_equal(found["scaled"], found[contract.DEPTH])
