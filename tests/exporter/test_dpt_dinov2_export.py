"""DPT on DINOv2, from the authors' two files to onnxruntime, against transformers' with the original's last steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from support import dpt_dinov2_oracle
from support.oracle import save_hugging_face
from support.parity import DEPTH_LIMIT, Scales, hold_file

import dptscope
from dptscope import contract
from dptscope.prepare import prepare_image
from dptscope_export.families import ExportOptions
from dptscope_export.pipeline import Exported, export

SCALES = (0.5, -1.5, 0.25, 2.0)


@dataclass(frozen=True)
class Case:
    exported: Exported
    oracle: Any


@pytest.fixture(scope="module")
def nyu(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("nyu")
    oracle = dpt_dinov2_oracle.dpt(blocks=4, seed=53)
    hub = save_hugging_face(oracle, folder / "hub")
    return Case(export(hub, folder / "nyu.onnx", ExportOptions(variant="dpt-dinov2-nyu")), oracle)


def hold_against(case: Case, image: torch.Tensor, scales: Scales = (1, 1, 1, 1)) -> None:
    depth, tokens = dpt_dinov2_oracle.run(case.oracle, image, scales)
    hold_file(case.exported.model, image, {contract.DEPTH: depth}, tokens, scales=scales, least=0.5)


@pytest.mark.parametrize("size", [(84, 84), (98, 42), (126, 112)])
def test_in_onnxruntime(nyu: Case, size: tuple[int, int]) -> None:
    """The grid of the learned positions, odd and tall, larger: sizes the tracer never saw, as a batch of two."""
    hold_against(nyu, torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(sum(size))))


def test_scales(nyu: Case) -> None:
    image = torch.randn(1, 3, 70, 98, generator=torch.Generator().manual_seed(8))
    hold_against(nyu, image, SCALES)
    model = dptscope.load(nyu.exported.model)
    names = [contract.fusion_input_name(k) for k in contract.FUSION_BLOCKS]
    got = model.run(image.numpy(), [*names, contract.DEPTH], SCALES)
    through = model.fuse([got[name] for name in names], SCALES)
    assert np.abs(through - got[contract.DEPTH]).max() <= DEPTH_LIMIT * got[contract.DEPTH].std()
    assert np.isfinite(model.preview([got[name] for name in names], SCALES)).all()


def test_a_photo(nyu: Case, photo_bgr: Any) -> None:
    """At its own size, and the depth of photo and frame squeezed into it; never beyond ten metres."""
    model, photo = dptscope.load(nyu.exported.model), cv2.resize(photo_bgr, (151, 100))
    found = model.predict(photo)
    assert (found.kind, found.raw.shape, found.depth.shape) == ("metric", (112, 154), (100, 151))
    wanted, _ = dpt_dinov2_oracle.run(nyu.oracle, torch.from_numpy(prepare_image(model.card, photo)))
    assert np.abs(found.raw - wanted[0].numpy()).max() <= DEPTH_LIMIT * wanted.numpy().std()
    squeezed = cv2.resize(found.raw, (151, 100), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(found.depth, squeezed, rtol=1e-6)
    assert abs(found.raw.min() - 0.001) < 1e-6 and 5 < found.raw.max() < 10.00001
    assert model.predict(photo, size=84).raw.shape == (56, 84)
    assert (nyu.exported.card.max_depth, nyu.exported.card.evidence) == (10.0, "--variant dpt-dinov2-nyu")
