"""Writing a model and its companion so that they appear whole under their final names, or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import onnx
import onnx_ir as ir

from dptscope.contract import WEIGHTS_SUFFIX, companion_path, preview_path
from dptscope.errors import DptscopeError
from dptscope.files.atomic import LOCK_NAME, PART_SUFFIX, locked_folder, remove_stale_files, temporary_folder
from dptscope.process.signals import uninterrupted

# A protobuf message ends at 2 GiB; some room for the graph itself.
SINGLE_FILE_BYTES = 2_000_000_000


@contextmanager
def staging_folder(target: Path) -> Iterator[Path]:
    """A folder beside the target, on the same disk, gone afterwards whatever happens."""
    if not target.parent.is_dir():
        raise DptscopeError(f"{target.parent}: expected a folder to write to, which is not there")
    if target.is_dir():
        raise DptscopeError(f"{target}: expected a file name to write to, got a folder")
    remove_stale_files(target.parent)
    with ExitStack() as stack:
        with _writing(target):
            folder = stack.enter_context(temporary_folder(target))
        yield folder


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Say in one line what a disk or folder does not allow; of an unfinished file by the name that it would have got."""
    try:
        yield
    except OSError as error:
        if path.parent.name.endswith(PART_SUFFIX):
            path = path.parent.parent / path.name
        raise DptscopeError(f"{path}: cannot be written ({error.strerror or error})") from error


def save(model: ir.Model, path: Path) -> None:
    """Save a graph; above 2 GB with its weights in one plain file beside it, ``NAME.onnx.data``."""
    size = sum(value.const_value.nbytes for value in model.graph.initializers.values() if value.const_value is not None)
    with _writing(path):
        if size > SINGLE_FILE_BYTES:
            ir.save(model, path, external_data=path.name + WEIGHTS_SUFFIX)
        else:  # weights that lie beside another file come along
            ir.save(ir.external_data.load_to_model(model), path)


def save_again(model: ir.Model, path: Path) -> None:
    """Save a graph in place of the file that it came from; its weights may now fit into one file."""
    with _writing(path):
        path.with_name(path.name + WEIGHTS_SUFFIX).unlink(missing_ok=True)
    save(model, path)


def append_metadata(path: Path, metadata: dict[str, str]) -> None:
    """Set metadata entries of a saved model without rewriting its weights.

    Protobuf messages merge when they are concatenated: repeated fields append, so a second message with nothing but
    metadata after the first one adds to it. The keys must not be there yet.
    """
    addition = onnx.ModelProto()
    for key, value in metadata.items():
        addition.metadata_props.add(key=key, value=value)
    with _writing(path), path.open("ab") as file:
        file.write(addition.SerializeToString())


def publish(staged: Path, target: Path) -> list[Path]:
    """Move every staged file to its final place; returns the final paths, the model last.

    Several files cannot take their places in one step. So the old companion and preview go first, which a model does
    without, then the model changes in one step, then the new ones come: whoever looks, or a power cut, finds the old model or
    the new one, and never parts of both. Only a model with its weights in a second file is away for a moment. Two exports to
    one name take turns. The steps between take a fraction of a millisecond: what is slow, writing to the disk and freeing
    the old files, is done before and after.
    """
    names = sorted(file.name for file in staged.iterdir() if file.name != LOCK_NAME)
    weights = target.name + WEIGHTS_SUFFIX
    model = [weights, target.name] if weights in names else [target.name]
    with _writing(target), locked_folder(target.parent):
        for name in names:
            _flush(staged / name)
        with contextlib.suppress(OSError):  # no old model, or a disk without hard links, where it is freed in between
            os.link(target, staged / f"old {target.name}")
        with uninterrupted():
            for beside in (companion_path(target), preview_path(target)):
                with contextlib.suppress(FileNotFoundError):
                    beside.replace(staged / f"old {beside.name}")
            if weights in names:
                target.unlink(missing_ok=True)
            for name in (*model, *(name for name in names if name not in model)):
                (staged / name).replace(target.parent / name)
            for path in (target, companion_path(target), preview_path(target)):
                old = path.name + WEIGHTS_SUFFIX
                if old not in names:
                    (target.parent / old).unlink(missing_ok=True)
    others = [name for name in names if name != target.name]
    return [target.parent / name for name in (*others, target.name)]


def _flush(path: Path) -> None:
    """Have the system put a file on the disk before its name says that it is there."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
