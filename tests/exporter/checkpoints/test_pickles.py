"""Pickles are followed before they run: what trainers save passes, what holds a machine up does not."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support.programs import HOSTILE, program
from torch import Tensor

from dptscope_export.checkpoints.pickles import UnsafePickleError, check_pickle
from dptscope_export.checkpoints.read import read_checkpoint
from dptscope_export.checkpoints.stand_ins import is_foreign, todays_name
from dptscope_export.errors import CheckpointError


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_pickles(kind: str) -> None:
    with pytest.raises(UnsafePickleError) as raised:
        check_pickle(io.BytesIO(program(HOSTILE[kind])))
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 200


def test_pytorch_knows_no_name_that_has_a_stand_in() -> None:
    """It would call its own there; and with what it calls, files can hold a machine up."""
    from torch._weights_only_unpickler import _get_allowed_globals

    known = [name for name, value in _get_allowed_globals().items() if callable(value)]
    assert len(known) > 40
    assert [name for name in known if is_foreign(name)] == []


def test_python_2_names_are_translated_as_pytorch_does() -> None:
    import torch._utils

    for old, new in torch._utils.IMPORT_MAPPING.items():
        assert todays_name(old, "x") == f"{new}.x"
    for (module, name), (new_module, new_name) in torch._utils.NAME_MAPPING.items():
        assert todays_name(module, name) == f"{new_module}.{new_name}"


def training() -> dict[str, Any]:
    """What a trainer leaves beside the weights."""
    layer = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.AdamW(layer.parameters(), betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 5])
    layer(torch.zeros(4, 3)).sum().backward()
    optimizer.step()
    return {
        "model": layer.state_dict(),  # an OrderedDict with _metadata
        "parameters": list(layer.parameters()),
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),  # a Counter
        "random": torch.get_rng_state(),
        "dtype": torch.bfloat16,
        "device": torch.device("cpu"),
        "size": torch.Size([2, 3]),
        "bytes": b"\x00\xff",
        "numbers": {1: 2.5, None: True, "x": (1, [2], {"y": False})},
        "views": [tensor := torch.arange(12.0).reshape(3, 4), tensor.t(), tensor[1:, ::2]],
        "with attributes": _with_attributes(),
    }


def _with_attributes() -> Tensor:
    tensor = torch.zeros(2)
    tensor.note = "a note"  # type: ignore[attr-defined]
    return tensor


@pytest.mark.parametrize("archive", [True, False])
def test_what_trainers_save_passes(archive: bool, tmp_path: Path) -> None:
    path = tmp_path / "training.pth"
    torch.save(training(), path, _use_new_zipfile_serialization=archive)
    read = read_checkpoint(path).tensors
    assert set(read) == set(training()["model"])


def saved(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


class Hiding:
    """Pickles as a dictionary with attributes over its methods."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._content = content

    def __reduce__(self) -> tuple[Any, ...]:
        return OrderedDict, (), dict.fromkeys(("items", "get", "keys"), 7), None, iter(self._content.items())


def test_attributes_that_hide_methods(tmp_path: Path) -> None:
    """They can be given to dictionaries and tensors by the file, and must not be called."""
    tensor = torch.arange(6.0).reshape(2, 3)
    for method in ("numel", "detach", "element_size"):
        setattr(tensor, method, 7)
    path = tmp_path / "c.pth"
    path.write_bytes(saved(Hiding({"model": Hiding({"a.weight": tensor})})))
    (read,) = read_checkpoint(path).tensors.values()
    assert type(read) is Tensor
    assert read.numel() == 6


def _entries(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _packed(entries: list[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name_, data in entries:
            archive.writestr(name_, data)
    return buffer.getvalue()


def _second_program(upper: bool) -> Callable[[dict[str, bytes]], bytes]:
    def make(entries: dict[str, bytes]) -> bytes:
        program_name = next(name for name in entries if name.endswith("data.pkl"))
        other = (program_name.upper() if upper else program_name, pickle.dumps(Counter()))
        return _packed([*entries.items(), other])

    return make


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("upper", [False, True])
def test_entries_that_come_twice(upper: bool, tmp_path: Path) -> None:
    """Which of them counts, two readers may see differently."""
    path = tmp_path / "c.pth"
    path.write_bytes(_second_program(upper)(_entries(saved({"a": torch.zeros(3)}))))
    with pytest.raises(CheckpointError, match="expected every entry once"):
        read_checkpoint(path)
