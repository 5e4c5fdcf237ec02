"""The small exported model that the runtime's tests use is what an export writes today.

To write it again, in ``tests/``: ``PYTHONPATH=.. python -m exporter.test_tiny_file``.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from support.seeded import write_tiny

import dptscope
from dptscope import contract
from dptscope_export.pipeline import Exported, export

DATA = Path(__file__).parents[1] / "data"


def export_tiny(folder: Path) -> Exported:
    return export(write_tiny(folder / "tiny.safetensors"), folder / "tiny.onnx")


def test_same_numbers_as_a_fresh_export(tmp_path: Path, tiny_model: Path, photo_bgr: Any) -> None:
    fresh, kept = dptscope.load(export_tiny(tmp_path).model), dptscope.load(tiny_model)
    assert fresh.card.to_metadata().keys() == kept.card.to_metadata().keys()
    assert fresh.card.source_sha256 == kept.card.source_sha256
    names = [
        spec.name for spec in contract.model_outputs(kept.card.blocks, kept.card.has_cls, kept.card.fusion_channels)
    ]
    image = np.random.default_rng(0).normal(size=(1, 3, 56, 98)).astype(np.float32)
    wanted, got = fresh.run(image, names), kept.run(image, names)
    for name in names:
        np.testing.assert_allclose(got[name], wanted[name], rtol=0, atol=1e-4 * wanted[name].std(), err_msg=name)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for file in export_tiny(Path(folder)).files:
            shutil.copy(file, DATA / file.name)
