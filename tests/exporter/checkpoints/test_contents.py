"""The model in what training scripts save, whatever lies beside it, it is called, or stands before its names."""

from __future__ import annotations

import argparse
import collections
import csv
import datetime
import functools
import random
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support.seeded import seeded_tensors
from torch import Tensor

from dptscope.commands import app as cli
from dptscope_export.checkpoints.contents import choose, lay_out
from dptscope_export.checkpoints.read import Checkpoint, read_checkpoint
from dptscope_export.errors import CheckpointError, UnknownFamilyError
from dptscope_export.families import ExportOptions, recognise
from dptscope_export.pipeline import build, make_card

PUBLISHED = Path(__file__).parents[2] / "data" / "published"
Tensors = dict[str, Tensor]


def saved(content: object, folder: Path, name: str = "c.pth") -> Path:
    torch.save(content, folder / name)
    return folder / name


def fits(checkpoint: Checkpoint) -> None:
    build(checkpoint, recognise(checkpoint, ExportOptions(variant="depth-anything-v2")))


def prefixed(prefix: str) -> Tensors:
    return {f"{prefix}{name}": tensor for name, tensor in seeded_tensors().items()}


class Colour(Enum):
    """A setting."""

    RED = "red"


@dataclass
class Settings:
    """Settings as a class of a training script."""

    rate: float = 1e-4
    size: tuple[int, int] = (518, 518)


class Dictionary(dict[str, Any]):
    """A dictionary whose keys are attributes, too, as settings often are: EasyDict, addict, ml_collections."""

    def __init__(self, **values: Any) -> None:
        super().__init__(values)
        self.__dict__.update(values)


def optimizer() -> torch.optim.Optimizer:
    layer = torch.nn.Linear(3, 2)
    made = torch.optim.AdamW(layer.parameters())
    layer(torch.zeros(1, 3)).sum().backward()
    made.step()
    return made


BESIDE: dict[str, Callable[[], object]] = {
    "arguments": lambda: argparse.Namespace(encoder="vits", lr=1e-5, path=Path("a")),
    "a namespace": lambda: types.SimpleNamespace(lr=1e-5),
    "a path": lambda: PurePosixPath("/a/b"),
    "numpy numbers": lambda: {
        "d1": np.float64(0.9),
        "abs_rel": np.float32(0.1),
        "n": np.int64(3),
        "ok": np.bool_(True),
    },
    "numpy text": lambda: np.str_("a"),
    "numpy kinds": lambda: [np.dtype("float32"), np.float32],
    "an array": lambda: np.arange(6.0).reshape(2, 3),
    "a dictionary with a default": lambda: collections.defaultdict(list, {"loss": [1.0, 2.0]}),
    "one of numbers": lambda: collections.defaultdict(int, {"loss": 3}),
    "a queue": lambda: collections.deque([1.0, 2.0], maxlen=5),
    "counts": lambda: collections.Counter("aab"),
    "settings with attributes": lambda: Dictionary(rate=0.1, name="a"),
    "a class of settings": Settings,
    "a choice": lambda: Colour.RED,
    "times": lambda: [datetime.datetime(2024, 1, 2), datetime.timedelta(hours=1), datetime.date(2024, 1, 2)],
    "sets": lambda: [{"a", "b"}, frozenset({1, 2}), set()],
    "ranges": lambda: [range(3), slice(1, 2), 1 + 2j],
    "a function": lambda: functools.partial(int, base=2),
    "random states": lambda: [np.random.RandomState(0).get_state(), random.getstate(), torch.get_rng_state()],
    "a generator": lambda: np.random.default_rng(0),
    "an optimizer": lambda: optimizer(),
    "its state": lambda: optimizer().state_dict(),
    "a schedule": lambda: torch.optim.lr_scheduler.StepLR(optimizer(), 3).state_dict(),
    "a scaler": lambda: torch.amp.GradScaler("cpu").state_dict(),
    "a module": lambda: torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU()),
    "a version": lambda: torch.__version__,
    "keys that are numbers of numpy": lambda: {np.int64(3): 1.0},
    "nothing": lambda: None,
}


# Before 2020, PyTorch's files held the source of modules; its restricted unpickler does not take those.
FORMS = [(kind, legacy) for kind in BESIDE for legacy in (False, True) if (kind, legacy) != ("a module", True)]


@pytest.mark.parametrize(("kind", "legacy"), FORMS)
def test_what_lies_beside_the_weights(kind: str, legacy: bool, tmp_path: Path) -> None:
    content = {"state": BESIDE[kind](), "model": prefixed("module."), "epoch": 7}
    torch.save(content, tmp_path / "c.pth", _use_new_zipfile_serialization=not legacy)
    read = read_checkpoint(tmp_path / "c.pth")
    fits(read)
    for name, tensor in seeded_tensors().items():
        assert torch.equal(read.tensors[name], tensor)


def test_nothing_of_it_is_imported_or_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class of a program that is not installed any more, and whose making would be seen."""
    (tmp_path / "training_program.py").write_text("class Config:\n    def __setstate__(self, state):\n        1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    program = __import__("training_program")
    path = saved({"model": seeded_tensors(), "config": program.Config()}, tmp_path)
    del sys.modules["training_program"]
    fits(read_checkpoint(path))
    assert "training_program" not in sys.modules


def test_weights_in_a_dictionary_of_another_kind(tmp_path: Path) -> None:
    path = saved({"model": collections.defaultdict(list, seeded_tensors())}, tmp_path)
    fits(read_checkpoint(path))


@pytest.mark.parametrize(
    "prefix",
    ["", "net.", "model.", "depth_anything.", "module.", "_orig_mod.module.", "model.net.", "a.b.c.", "backbone.",
     "pretrained.", "my_encoder.0."],
)  # fmt: skip
@pytest.mark.parametrize("ending", [".pth", ".ckpt", ".safetensors"])
def test_prefixes(prefix: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"c{ending}"
    if ending == ".safetensors":
        save_file(prefixed(prefix), path)
    elif ending == ".ckpt":
        torch.save({"state_dict": prefixed(prefix), "pytorch-lightning_version": "2.4.0", "callbacks": {}}, path)
    else:
        torch.save(prefixed(prefix), path)
    read = read_checkpoint(path)
    assert read.tensors.keys() == seeded_tensors().keys()
    assert read.notes == ()


@pytest.mark.parametrize(
    "key",
    ["model", "state_dict", "model_state_dict", "net", "network", "params", "module", "ema", "model_ema", "weights",
     "state_dict_ema", "student", "pretrained", "backbone", "generator"],
)  # fmt: skip
def test_wrappers(key: str, tmp_path: Path) -> None:
    read = read_checkpoint(saved({"epoch": torch.tensor(3), key: seeded_tensors(), "loss": {"a": 0.1}}, tmp_path))
    assert read.tensors.keys() == seeded_tensors().keys()
    assert read.notes == ()
    assert read.keys == ("epoch", key, "loss")


@pytest.mark.parametrize("settings", [{"encoder": "vits", "features": 64}, {"max_depth": torch.tensor(20.0)}])
@pytest.mark.parametrize("order", [1, -1])
def test_a_model_that_is_settings(settings: dict[str, object], order: int, tmp_path: Path) -> None:
    content: list[tuple[str, object]] = [("model", settings), ("state_dict", seeded_tensors())]
    assert read_checkpoint(saved(dict(content[::order]), tmp_path)).tensors.keys() == seeded_tensors().keys()


def test_a_dictionary_for_each_part(tmp_path: Path) -> None:
    parts: dict[str, Tensors] = {"pretrained": {}, "depth_head": {}}
    for name, tensor in seeded_tensors().items():
        part, _, rest = name.partition(".")
        parts[part][rest] = tensor
    fits(read_checkpoint(saved(parts, tmp_path)))


def averaged(value: float) -> Tensors:
    """What ``torch.optim.swa_utils.AveragedModel`` gives."""
    tensors = {f"module.{name}": torch.full_like(tensor, value) for name, tensor in seeded_tensors().items()}
    return {"n_averaged": torch.tensor(12), **tensors}


def test_an_averaged_model(tmp_path: Path) -> None:
    read = read_checkpoint(saved(averaged(0.5), tmp_path))
    assert read.tensors.keys() == seeded_tensors().keys()
    assert read.notes == ()


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("other", ["model_ema", "ema", "teacher", "swa_model", "state_dict_ema"])
def test_of_several_models_the_user_hears_and_may_choose(other: str, order: int, tmp_path: Path) -> None:
    content = {"model": prefixed("module."), other: averaged(0.5)}
    path = saved(dict(list(content.items())[::order]), tmp_path)
    first, second = read_checkpoint(path), read_checkpoint(path, key=other)
    assert torch.equal(first.tensors["pretrained.cls_token"], seeded_tensors()["pretrained.cls_token"])
    assert first.notes == (f"2 models are in the file: model was taken, --key takes {other}",)
    assert bool((second.tensors["pretrained.cls_token"] == 0.5).all())
    assert second.notes == (f"2 models are in the file: {other} was taken, --key takes model",)
    with pytest.raises(CheckpointError, match=rf"expected --key (model \| {other}|{other} \| model), got nothing"):
        read_checkpoint(path, key="nothing")


def test_several_models_in_one_dictionary(tmp_path: Path) -> None:
    path = saved({"state_dict": prefixed("student.net.") | prefixed("teacher.net.")}, tmp_path)
    assert read_checkpoint(path).notes == (
        "2 models are in the file: state_dict.student.net was taken, --key takes state_dict.teacher.net",
    )
    for key in ("teacher", "state_dict.teacher.net", "teacher.net"):
        assert "state_dict.teacher.net was taken" in read_checkpoint(path, key=key).notes[0]
    with pytest.raises(CheckpointError, match="got net"):
        read_checkpoint(path, key="net")


def test_a_model_in_another(tmp_path: Path) -> None:
    path = saved(seeded_tensors() | prefixed("teacher."), tmp_path)
    assert read_checkpoint(path).tensors.keys() == seeded_tensors().keys()
    assert read_checkpoint(path).notes == ("2 models are in the file: the whole was taken, --key takes teacher",)
    assert read_checkpoint(path, key="teacher").tensors.keys() == seeded_tensors().keys()


def test_losses_are_left_out_and_named(tmp_path: Path) -> None:
    extra = {"criterion.weight": torch.ones(3), "val_metrics.sum": torch.ones(1)}
    read = read_checkpoint(saved({"state_dict": prefixed("model.") | extra}, tmp_path))
    assert read.notes == ("left out, as no part of the model: criterion.weight, val_metrics.sum",)
    fits(read)


def test_a_larger_model_is_not_taken_for_the_one_in_it(tmp_path: Path) -> None:
    """ZoeDepth on Depth Anything, say: its core alone gives another depth than the whole."""
    path = saved({"model": prefixed("core.core.") | {"attractors.0.weight": torch.ones(2, 2)}}, tmp_path)
    with pytest.raises(
        CheckpointError, match=r"got 1 beside those of model\.core\.core \(attractors\.0\.weight\); --key"
    ):
        read_checkpoint(path)
    read = read_checkpoint(path, key="model.core.core")
    assert read.notes == ("left out, as no part of the model: attractors.0.weight",)
    fits(read)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"epoch": 3, "args": argparse.Namespace()}, "with the keys epoch, args (an object of argparse.Namespace)"),
        ({"epoch": 3, "optimizer": {"lr": 1}}, "got one without tensors, with the keys epoch, optimizer"),
        (torch.nn.Linear(2, 2), "an object of torch.nn.modules.linear.Linear; of a model, save its state_dict()"),
        ({"net": torch.nn.Linear(2, 2)}, "net (an object of torch.nn.modules.linear.Linear); of a model, save its"),
        ([1, 2], "expected a dictionary of tensors, got list"),
        ({}, "got an empty one"),
    ],
)
def test_what_is_there_instead(content: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as raised:
        read_checkpoint(saved(content, tmp_path))
    assert message in str(raised.value)


def test_another_model_with_its_keys(tmp_path: Path) -> None:
    path = saved({"net": {"conv1.weight": torch.zeros(2, 2)}, "epoch": 3, "opt": {}}, tmp_path)
    with pytest.raises(
        UnknownFamilyError, match=r"such as net\.conv1\.weight, in a file with the keys net, epoch, opt$"
    ):
        recognise(read_checkpoint(path), ExportOptions())
    assert list(read_checkpoint(path, key="net").tensors) == ["conv1.weight"]
    with pytest.raises(CheckpointError, match="expected --key to name a model in it, got nothing"):
        read_checkpoint(path, key="nothing")


def test_dictionaries_without_end() -> None:
    inside: dict[str, object] = {"a": torch.zeros(1)}
    for level in range(7):
        inside = {f"{level}.{number}": inside for number in range(20)}
    with pytest.raises(CheckpointError, match="more than 1000000 entries"):
        lay_out(inside, "c.pth")


def test_two_tensors_of_one_name() -> None:
    with pytest.raises(CheckpointError, match=r"expected every tensor once, got a\.b more often"):
        lay_out({"a": {"b": torch.zeros(1)}, "a.b": torch.zeros(1)}, "c.pth")


def test_models_without_end() -> None:
    tensors = {f"{number}.pretrained.patch_embed.proj.weight": torch.zeros(1) for number in range(101)}
    with pytest.raises(CheckpointError, match="expected at most 100 models in a file, got 101"):
        choose(lay_out(tensors, "c.pth"), "c.pth")


@pytest.mark.parametrize("name", sorted(path.stem for path in PUBLISHED.glob("*.tsv")))
def test_every_published_layout_is_found(name: str) -> None:
    with (PUBLISHED / f"{name}.tsv").open() as file:
        names = [row["name"] for row in csv.DictReader(file, delimiter="\t")]
    tensors = {f"any.thing.{key}": torch.empty(0, device="meta") for key in names}
    found = choose(lay_out({"wrapped": tensors}, name), name).tensors
    assert list(found) == [key.removeprefix("model.") for key in names]  # the prefix of Depth Anything 3's files


def test_the_command_and_its_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved({"model": seeded_tensors(), "ema": averaged(0.5)}, tmp_path)
    assert cli.run(["export", str(path), "-o", str(tmp_path / "c.onnx"), "--key", "nothing"]) == 2
    assert "expected --key model | ema, got nothing" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [path]


def test_models_of_one_file_do_not_share_an_id(tmp_path: Path) -> None:
    path = saved({"model": seeded_tensors(), "ema": averaged(0.5)}, tmp_path)
    cards = []
    for key in (None, "ema"):
        checkpoint = read_checkpoint(path, key=key)
        plan = recognise(checkpoint, ExportOptions(variant="depth-anything-v2"))
        cards.append(make_card(checkpoint, plan, 18, "default", ()))
    assert cards[0].model_id != cards[1].model_id
    assert cards[0].source_sha256 == cards[1].source_sha256


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("place", [0, -1])
def test_weights_that_are_no_numbers(value: float, place: int, tmp_path: Path) -> None:
    tensors = seeded_tensors()
    name = "pretrained.blocks.1.mlp.fc1.weight"
    tensors[name].view(-1)[place] = value
    with pytest.raises(CheckpointError, match=rf"c\.pth: 1 tensors hold NaN or infinity: {name}"):
        fits(read_checkpoint(saved(tensors, tmp_path)))
