"""The models in a file, and the one that is wanted: training scripts keep weights, averages of them, optimizers and settings
in dictionaries of dictionaries, under names and prefixes of their own.

All dictionaries are laid out flat, ``{"model": {"module.a": …}}`` as ``model.module.a``. A model is where the encoder's first
layer is found, in a layout that some family knows; what stands before it is its prefix, whoever put it there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from dptscope_export.checkpoints.stand_ins import StandIn
from dptscope_export.errors import CheckpointError, first_few

DEEPEST = 8  # dictionaries in dictionaries; below those nothing is looked for
MOST_ENTRIES = 1_000_000  # of all dictionaries: one that is in another many times counts every time
MOST_MODELS = 100

_FIRST_LAYER = re.compile(
    r"((?:.*\.)?)(?:pretrained\.(?:model\.)?patch_embed\.proj|backbone\.embeddings\.patch_embeddings\.projection"
    r"|dpt\.embeddings\.(?:patch_embeddings\.)?projection|(?:vision_encoder|backbone)\.patch_embed\.proj)\.weight"
)
# What training adds to a dictionary of weights: the counter of torch.optim.swa_utils.AveragedModel, and modules that measure.
_OF_TRAINING = re.compile(r"n_averaged|(?:\w+_)?(?:criterion|loss|losses|loss_fn|metrics?)\..*")
_AVERAGED = re.compile(r"(?:^|[._])(?:ema|teacher|swa|averaged?|shadow)(?:[._]|$)")
_OF_TRAINERS = ("module", "_orig_mod")  # parts of prefixes: DataParallel, torch.compile
_ADVICE = "; of a model, save its state_dict()"
_WRAPPERS = ("model", "state_dict", "model_state_dict", *_OF_TRAINERS)  # of what no family knows


@dataclass
class Contents:
    """What a file holds, laid out flat.

    Attributes:
        tensors: full name to tensor.
        homes: full name to the path of the dictionary that the tensor is in, with a full stop behind it where not empty.
        keys: the top-level keys, in words; empty where the file is one dictionary of tensors.
    """

    tensors: dict[str, Tensor]
    homes: dict[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chosen:
    """The tensors of one model.

    Attributes:
        tensors: name to tensor, without the prefix.
        notes: lines that the user should read.
    """

    tensors: dict[str, Tensor]
    notes: tuple[str, ...] = ()


def lay_out(content: object, where: str) -> Contents:
    """Lay all dictionaries in a file's content out flat.

    A pickle can give its dictionaries and tensors attributes of any name, methods' too, so methods are called through their
    classes, and the attributes are left behind.

    Raises:
        CheckpointError: there are no tensors, too many entries, or two of one name.
    """
    if isinstance(content, StandIn):
        raise CheckpointError(f"{where}: expected a dictionary of tensors, got {_in_words(content)}{_ADVICE}")
    if not isinstance(content, dict):
        raise CheckpointError(f"{where}: expected a dictionary of tensors, got {type(content).__name__}")
    found = Contents({})
    for count, (home, key, value) in enumerate(_entries(content, "", DEEPEST)):
        if count == MOST_ENTRIES:
            raise CheckpointError(f"{where}: expected a dictionary of tensors, got more than {MOST_ENTRIES} entries")
        if isinstance(value, Tensor):
            name = f"{home}{key}"
            if name in found.tensors:
                raise CheckpointError(f"{where}: expected every tensor once, got {first_few([name])} more often")
            found.tensors[name] = Tensor.detach(value)
            found.homes[name] = home
    top = [(key, value) for _, key, value in _entries(content, "", 1)]
    keys = tuple(f"{key} ({_in_words(value)})" if isinstance(value, StandIn) else key for key, value in top)
    if not found.tensors:
        got = f"one without tensors, with the keys {first_few(keys, 12)}" if keys else "an empty one"
        advice = _ADVICE if any(isinstance(value, StandIn) for _, value in top) else ""
        raise CheckpointError(f"{where}: expected a dictionary of tensors, got {got}{advice}")
    if any(found.homes.values()):
        found.keys = keys
    return found


def _entries(content: dict[object, object], home: str, levels: int) -> Iterator[tuple[str, str, object]]:
    for key, value in dict.items(content):
        if not isinstance(key, (str, int)):
            continue
        yield home, str(key), value
        if isinstance(value, dict) and levels > 1:
            yield from _entries(value, f"{home}{key}.", levels - 1)


def _in_words(value: StandIn) -> str:
    return f"an object of {value.what:.80}"


def choose(contents: Contents, where: str, key: str | None = None) -> Chosen:
    """Choose a model and take its tensors out.

    Args:
        contents: of the file, or of all files of a folder.
        where: the file or folder, for messages.
        key: name of the model that is wanted; by default the first that is no average of another.

    Raises:
        CheckpointError: there is no such model, or the dictionary that it is in holds more than it.
    """
    found = {name: match[1] for name in contents.tensors if (match := _FIRST_LAYER.fullmatch(name))}
    first_layers = {_with_head_beside(prefix, contents): name for name, prefix in found.items()}
    if not first_layers:
        return Chosen(_without_wrappers(contents.tensors, where, key))
    if len(first_layers) > MOST_MODELS:
        raise CheckpointError(f"{where}: expected at most {MOST_MODELS} models in a file, got {len(first_layers)}")
    labels = _labels(list(first_layers))
    prefix = _wanted(labels, where, key)
    home = contents.homes.get(first_layers[prefix], "")
    inner = tuple(other for other in labels if other != prefix and other.startswith(prefix))
    tensors, beside = {}, []
    for name, tensor in contents.tensors.items():
        together = contents.homes.get(name, "") == home
        if not name.startswith(prefix):
            if together and not name.startswith(tuple(labels)):
                beside.append(name.removeprefix(home))
        # A dictionary for each part of the model is as good as one for all.
        elif (together or len(home) > len(prefix)) and not (inner and name.startswith(inner)):
            tensors[name.removeprefix(prefix)] = tensor
    training = [name for name in (*tensors, *beside) if _OF_TRAINING.fullmatch(name)]
    strange = [name for name in beside if name not in training]
    if strange and key is None:
        raise CheckpointError(
            f"{where}: expected the tensors of one model, got {len(strange)} beside those of {labels[prefix]} "
            f"({first_few(strange)}); --key {labels[prefix]} takes it without them"
        )
    notes = []
    if len(labels) > 1:
        others = ", ".join(label for other, label in labels.items() if other != prefix)
        notes.append(f"{len(labels)} models are in the file: {labels[prefix]} was taken, --key takes {others}")
    if left := [name for name in (*training, *strange) if name != "n_averaged"]:
        notes.append(f"left out, as no part of the model: {first_few(left)}")
    return Chosen({name: tensor for name, tensor in tensors.items() if name not in training}, tuple(notes))


def _with_head_beside(prefix: str, contents: Contents) -> str:
    """Depth Anything 3 has the encoder in a part of its own, where its names are V2's, and the head beside that part."""
    outer = prefix.removesuffix("backbone.")
    return outer if outer != prefix and f"{outer}head.scratch.output_conv1.weight" in contents.tensors else prefix


def _labels(prefixes: Sequence[str]) -> dict[str, str]:
    """Prefix to what a model is called: without what trainers add, where that is enough to tell it from the others."""
    short = {prefix: ".".join(p for p in prefix.split(".") if p and p not in _OF_TRAINERS) for prefix in prefixes}
    alike = len(set(short.values())) < len(short)
    return {p: (not alike and short[p]) or p.rstrip(".") or "the whole" for p in prefixes}


def _wanted(labels: Mapping[str, str], where: str, key: str | None) -> str:
    if key is None:
        return min(labels, key=lambda prefix: _AVERAGED.search(prefix) is not None)
    fits = [prefix for prefix, label in labels.items() if key in (label, prefix.rstrip("."))]
    fits = fits or [prefix for prefix in labels if f".{key}." in f".{prefix}"]
    if len(fits) != 1:
        raise CheckpointError(f"{where}: expected --key {' | '.join(labels.values())}, got {key:.80}")
    return fits[0]


def _without_wrappers(tensors: dict[str, Tensor], where: str, key: str | None) -> dict[str, Tensor]:
    """Take the usual wrappers off what no family knows, so that a message shows the names that somebody may know."""
    if key is not None and not any(name.startswith(f"{key}.") for name in tensors):
        raise CheckpointError(f"{where}: expected --key to name a model in it, got {key:.80}, and there is none")
    wrappers = _WRAPPERS if key is None else (key, *_WRAPPERS)
    for _ in range(DEEPEST):
        wrapper = next((f"{w}." for w in wrappers if any(name.startswith(f"{w}.") for name in tensors)), None)
        if wrapper is None:
            break
        tensors = {name.removeprefix(wrapper): tensor for name, tensor in tensors.items() if name.startswith(wrapper)}
    return tensors
