"""The exported model that ships with the runtime is what an export of the shipped checkpoint gives today.

To write it again: ``python -m demo_model.ship runtime/dptscope/assets/dptscope_tiny.safetensors``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

import dptscope
from dptscope import contract
from dptscope.commands import demo
from dptscope.files.photos import read_image


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the export extra the demo's model is made on the spot."""
    folder = tmp_path_factory.mktemp("fresh")
    command = [sys.executable, "-m", "dptscope", "demo", "--no-view", "-o", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "as it ships" not in done.stdout
    return folder / demo.MODEL.name


def test_same_graph_and_weights(fresh: Path) -> None:
    for suffix in (contract.MODEL_SUFFIX, contract.COMPANION_SUFFIX, contract.PREVIEW_SUFFIX):
        kept, new = (onnx.load(model.with_suffix(suffix)) for model in (demo.MODEL, fresh))
        assert [node.SerializeToString() for node in kept.graph.node] == [n.SerializeToString() for n in new.graph.node]
        assert {w.name: w.raw_data for w in kept.graph.initializer} == {
            w.name: w.raw_data for w in new.graph.initializer
        }


def test_same_numbers(fresh: Path) -> None:
    kept, new = dptscope.load(demo.MODEL), dptscope.load(fresh)
    card = kept.card
    assert (card.source_sha256, card.family, card.variant) == (
        new.card.source_sha256,
        new.card.family,
        new.card.variant,
    )
    names = [spec.name for spec in contract.model_outputs(card.blocks, card.has_cls, card.fusion_channels)]
    image = np.random.default_rng(0).normal(size=(1, 3, 84, 126)).astype(np.float32)
    got, wanted = kept.run(image, names), new.run(image, names)
    for name in names:
        np.testing.assert_allclose(got[name], wanted[name], rtol=0, atol=1e-5 * wanted[name].std(), err_msg=name)


def test_the_demo_shows_the_same(fresh: Path) -> None:
    photo = read_image(demo.demo_photos()[0])
    made, shipped = dptscope.load(fresh), dptscope.load(demo.MODEL)
    assert made.card.parity is not None and made.card.parity.depth_range < 1e-4
    np.testing.assert_allclose(made.predict(photo).depth, shipped.predict(photo).depth, atol=1e-4)
