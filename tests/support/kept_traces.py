"""Traced graphs, kept for the length of a test run and shared by its processes.

Tracing takes most of an export's time, and what comes of it depends on the module, its weights and the sizes alone. So tests
that export one small model in another form, to another file or with another damage share one trace. All that follows it is
done again in every export.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import onnx_ir as ir
import torch
from filelock import FileLock

from dptscope_export.graph import trace
from dptscope_export.graph.repeat import built


@contextmanager
def kept_traces(folder: Path) -> Iterator[None]:
    """Trace no module twice that equals another in kind, settings and weights."""
    export = trace.export_graph
    with patch.object(trace, "export_graph", lambda module, **asked: _kept(folder, export, module, asked)):
        yield


def _kept(folder: Path, export: Callable[..., ir.Model], module: torch.nn.Module, asked: dict[str, Any]) -> ir.Model:
    path = folder / f"{_digest(module, asked)}.onnx"
    with FileLock(path.with_suffix(".lock")):
        if not path.is_file():
            made = export(module, **asked)
            ir.save(made, path)
            return made
    return ir.load(path)


def _digest(module: torch.nn.Module, asked: dict[str, Any]) -> str:
    shapes = [tuple(example.shape) for example in asked["examples"]]
    digest = hashlib.sha256(repr((built(module), shapes, asked | {"examples": None})).encode())
    for name, tensor in module.state_dict().items():
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
