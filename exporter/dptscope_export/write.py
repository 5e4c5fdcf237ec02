"""Writing a model and its companion so that they appear whole under their final names, or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import onnx_ir as ir

from dptscope.errors import DptscopeError

# A protobuf message ends at 2 GiB; some room for the graph itself.
SINGLE_FILE_BYTES = 2_000_000_000
DATA_SUFFIX = ".data"  # NAME.onnx.data


@contextmanager
def staging_folder(target: Path) -> Iterator[Path]:
    """A folder beside the target, on the same disk, gone afterwards whatever happens."""
    if not target.parent.is_dir():
        raise DptscopeError(f"{target.parent}: expected a folder to write to, which is not there")
    if target.is_dir():
        raise DptscopeError(f"{target}: expected a file name to write to, got a folder")
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise DptscopeError(f"{target.parent}: cannot write there ({error.strerror})") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def save(model: ir.Model, path: Path) -> None:
    """Save a graph; above 2 GB with its weights in one plain file beside it, ``NAME.onnx.data``."""
    size = sum(value.const_value.nbytes for value in model.graph.initializers.values() if value.const_value is not None)
    if size > SINGLE_FILE_BYTES:
        ir.save(model, path, external_data=path.name + DATA_SUFFIX)
    else:
        ir.save(model, path)


def append_metadata(path: Path, metadata: dict[str, str]) -> None:
    """Set metadata entries of a saved model without rewriting its weights.

    Protobuf messages merge when they are concatenated: repeated fields append, so a second message with nothing but
    metadata after the first one adds to it. The keys must not be there yet.
    """
    addition = onnx.ModelProto()
    for key, value in metadata.items():
        addition.metadata_props.add(key=key, value=value)
    with path.open("ab") as file:
        file.write(addition.SerializeToString())


def publish(staged: Path, target_folder: Path, last: str) -> list[Path]:
    """Move every staged file to its final place, the one called ``last`` after all others; returns the final paths."""
    names = sorted((file.name for file in staged.iterdir()), key=lambda name: (name == last, name))
    for name in names:
        (staged / name).replace(target_folder / name)
    return [target_folder / name for name in names]
