"""A file for an older opset is one for older runtimes, in all that they look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx.helper import find_min_ir_version_for
from support.seeded import write_tiny

from dptscope.card import Form
from dptscope_export.pipeline import export


@pytest.mark.parametrize(("opset", "form"), [(18, "default"), (18, "readable"), (20, "default"), (23, "portable")])
def test_the_ir_version_belongs_to_the_opset(opset: int, form: Form, tmp_path: Path) -> None:
    """Runtimes that came with an opset refuse files of a later IR version, whatever is in them."""
    exported = export(write_tiny(tmp_path / "tiny.safetensors"), tmp_path / "tiny.onnx", opset=opset, form=form)
    for path in (exported.model, exported.companion, exported.preview):
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        standard = [entry for entry in model.opset_import if entry.domain == ""]
        assert [entry.version for entry in standard] == [opset]
        assert model.ir_version == find_min_ir_version_for(standard), path.name
    session = ort.InferenceSession(exported.model)
    image = np.zeros((1, 3, 70, 70), np.float32)
    assert np.isfinite(session.run(["depth"], {"image": image})[0]).all()
