"""A look at a checkpoint's pickles before PyTorch runs them: what no dictionary of tensors needs is refused.

PyTorch's unpickler with ``weights_only=True`` runs no code of the file, but takes what a few hundred bytes can hold a machine
up with: dictionary keys that are tuples of tuples and take for ever to hash, keys that all have the same hash, and calls that
fill the memory (a ``bytearray`` of any length, text that is encoded over and over). So the instructions are followed here
first, without making anything, and the keys and calls are looked at. The instructions are those of
:mod:`pickletools`, as far as PyTorch takes them. Objects of other programs are neither made nor refused: what stands in for
them is in :mod:`dptscope_export.checkpoints.stand_ins`.
"""

from __future__ import annotations

import enum
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from dptscope_export.checkpoints.stand_ins import Foreign, is_foreign, todays_name

MOST_INSTRUCTIONS = 2_000_000
"""Of one pickle. A tensor takes about thirty, so this is room for 60,000 of them."""

_REBUILDS = frozenset(
    f"torch._utils.{name}"
    for name in (
        "_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter",
        "_rebuild_parameter_with_state",
    )
)  # fmt: skip
_FROM_TYPE = "torch._tensor._rebuild_from_type_v2"  # calls its first argument
_DICTIONARIES = frozenset({"collections.OrderedDict", "collections.Counter"})
_ENCODE = "_codecs.encode"
_SET = "builtins.set"
_HARMLESS = frozenset({"torch.Size", "torch.device", "torch.serialization._get_layout", "builtins.complex"})


class UnsafePickleError(ValueError):
    """A pickle that is damaged, or does more than a dictionary of tensors needs. The message says what."""


class _Made(enum.Enum):
    """What an instruction would have made, where more of it need not be known."""

    DICTIONARY = enum.auto()
    TENSOR = enum.auto()
    OTHER = enum.auto()


@dataclass
class _List:
    """A list; ``plain`` as long as it holds nothing but what may be a key."""

    plain: bool = True


@dataclass(frozen=True)
class _Name:
    """Something that the pickle imports."""

    name: str


@dataclass(frozen=True)
class _Object:
    """What a foreign class or function would have made."""

    of: Foreign


_Call = tuple[str, tuple[object, ...]]  # named here, because the program's class has a tuple of its own


def check_pickle(stream: BinaryIO, tensors: bool = True) -> dict[str, type]:
    """Follow one pickle to its end.

    Args:
        stream: stands at the beginning of the pickle, and afterwards behind it.
        tensors: False: only constants, lists and dictionaries may be in it.

    Returns:
        what is to stand in for the classes and functions that the pickle names and PyTorch does not know, by name.

    Raises:
        UnsafePickleError: see there.
    """
    program = _Program()
    try:
        for count, (opcode, argument, _place) in enumerate(pickletools.genops(stream)):
            if count == MOST_INSTRUCTIONS:
                raise UnsafePickleError(f"more than {MOST_INSTRUCTIONS} instructions")
            if not tensors and opcode.name in _OF_TENSORS:
                raise UnsafePickleError(f"the instruction {opcode.name} beside the tensors")
            program.follow(opcode.name, argument)
    except UnsafePickleError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, RecursionError) as error:
        raise UnsafePickleError(f"a damaged pickle ({str(error)[:80]})") from error
    return program.stand_ins()


class _Program:
    """The unpickler's stack and memo, with constants, names and tuples as they are and :class:`_Made` for the rest."""

    def __init__(self) -> None:
        self._stack: list[object] = []
        self._outer: list[list[object]] = []
        self._memo: dict[int, object] = {}
        self._foreign: dict[str, Foreign] = {}  # by their names of today
        self._written: dict[str, str] = {}  # names as the pickle has them, and of today

    def stand_ins(self) -> dict[str, type]:
        """Make what stands in for foreign classes, under both names: PyTorch translates some of the old ones."""
        odd = next((foreign for foreign in self._foreign.values() if foreign.contradicts()), None)
        if odd is not None:
            raise UnsafePickleError(f"{odd.name:.80} filled in more than one way")
        made = {name: foreign.stand_in() for name, foreign in self._foreign.items()}
        return made | {written: made[name] for written, name in self._written.items()}

    def follow(self, name: str, argument: object) -> None:
        """Do what one instruction does to the stack."""
        if name in _CONSTANTS:
            self._stack.append(argument)
        elif name in _FRESH:
            self._stack.append(_FRESH[name])
        elif name == "EMPTY_LIST":
            self._stack.append(_List())
        elif name in _TUPLES:
            size = _TUPLES[name]
            self._stack.append(tuple(self._stack.pop() for _ in range(size))[::-1])
        elif name in ("BINGET", "LONG_BINGET"):
            self._stack.append(self._memo[_whole(argument)])
        elif name in ("BINPUT", "LONG_BINPUT"):
            self._memo[_whole(argument)] = self._stack[-1]
        elif name == "GLOBAL":
            self._stack.append(self._named(str(argument)))
        elif name in _ACTIONS:
            _ACTIONS[name](self)
        elif name not in ("PROTO", "STOP"):
            raise UnsafePickleError(f"the instruction {name}")

    def _named(self, argument: str) -> _Name:
        module, _, of = argument.partition(" ")
        name = todays_name(module, of)
        self._foreign.setdefault(name, Foreign(name))
        self._written[f"{module}.{of}"] = name
        return _Name(name)

    def mark(self) -> None:
        self._outer.append(self._stack)
        self._stack = []

    def _since_mark(self) -> list[object]:
        items, self._stack = self._stack, self._outer.pop()
        return items

    def tuple(self) -> None:
        items = self._since_mark()
        self._stack.append(tuple(items))

    def append(self) -> None:
        self._extend([self._stack.pop()])

    def appends(self) -> None:
        self._extend(self._since_mark())

    def _extend(self, items: list[object]) -> None:
        target = self._stack[-1]
        if isinstance(target, _Object):
            target.of.uses.add("entries")
        elif isinstance(target, _List):
            target.plain = target.plain and all(map(_is_key, items))

    def set_item(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._set([key, value])

    def set_items(self) -> None:
        self._set(self._since_mark())

    def _set(self, keys_and_values: list[object]) -> None:
        for key in keys_and_values[::2]:
            _check_key(key)
        target = self._stack[-1]
        if isinstance(target, _Object):
            target.of.uses.add("items")

    def persistent_id(self) -> None:
        """A storage: its kind, key, place and length, and in legacy files the key and range of a view. Keys are hashed."""
        parts = self._stack.pop()
        if not isinstance(parts, tuple):
            raise UnsafePickleError("a storage without a key")
        for part in parts:
            for constant in part if isinstance(part, tuple) else (part,):
                if not isinstance(constant, _Name):
                    _check_key(constant)
        self._stack.append(_Made.OTHER)

    def reduce(self) -> None:
        name, arguments = self._call()
        if is_foreign(name):
            self._stack.append(_Object(self._foreign[name]))
            return
        if name in _DICTIONARIES:
            fine = arguments in ((), (_Made.DICTIONARY,))
        elif name == _ENCODE:
            fine = len(arguments) == 2 and arguments[1] in ("latin1", "latin-1")  # how protocol 2 says bytes
        elif name == _FROM_TYPE:
            called = arguments[0] if arguments else None
            fine = isinstance(called, _Name) and called.name in _REBUILDS
        elif name == _SET:
            fine = len(arguments) == 1 and isinstance(arguments[0], _List) and arguments[0].plain
        else:
            fine = name in _REBUILDS or name in _HARMLESS
        if not fine:
            raise UnsafePickleError(f"a call of {name:.80}")
        tensor = name in _REBUILDS or name == _FROM_TYPE
        self._stack.append(_Made.DICTIONARY if name in _DICTIONARIES else _Made.TENSOR if tensor else _Made.OTHER)

    def _call(self) -> _Call:
        arguments, function = self._stack.pop(), self._stack.pop()
        if not isinstance(function, _Name):
            raise UnsafePickleError("a call of something that is made here")
        if not isinstance(arguments, tuple):
            raise UnsafePickleError(f"a call of {function.name:.80} without a list of arguments")
        return function.name, arguments

    def new_object(self) -> None:
        """Make an object without its class' consent; PyTorch would do so with any class that it knows."""
        name, _ = self._call()
        if not is_foreign(name):
            raise UnsafePickleError(f"a call of {name:.80}")
        self._stack.append(_Object(self._foreign[name]))

    def build(self) -> None:
        """The only state that a dictionary of tensors has is the ``_metadata`` of ``Module.state_dict``."""
        state, target = self._stack.pop(), self._stack[-1]
        if isinstance(target, _Object):
            target.of.uses.add("state" if state is _Made.DICTIONARY else "other state")
        elif state is not _Made.DICTIONARY or target is not _Made.DICTIONARY:
            raise UnsafePickleError("state of something that is no dictionary")


def _check_key(key: object) -> None:
    if isinstance(key, int) and not -(1 << 63) <= key < 1 << 63:
        raise UnsafePickleError("a key of more than 64 bits")
    if not _is_key(key):
        raise UnsafePickleError("a key that is neither text nor a number")


def _is_key(value: object) -> bool:
    """Tell what is quick to hash: text, numbers, and what is hashed by where it is, tensors and stand-ins."""
    if isinstance(value, int):
        return -(1 << 63) <= value < 1 << 63
    return value is None or value is _Made.TENSOR or isinstance(value, (str, bytes, float, _Object))


def _whole(argument: object) -> int:
    assert isinstance(argument, int)
    return argument


_CONSTANTS = frozenset({"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINSTRING"})
_FRESH: dict[str, object] = {
    "NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": (),
    "EMPTY_DICT": _Made.DICTIONARY, "EMPTY_SET": _Made.OTHER,
}  # fmt: skip
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_OF_TENSORS = frozenset({"GLOBAL", "TUPLE", "BINPERSID", *_TUPLES})
_ACTIONS: dict[str, Callable[[_Program], None]] = {
    "MARK": _Program.mark,
    "TUPLE": _Program.tuple,
    "APPEND": _Program.append,
    "APPENDS": _Program.appends,
    "SETITEM": _Program.set_item,
    "SETITEMS": _Program.set_items,
    "BINPERSID": _Program.persistent_id,
    "REDUCE": _Program.reduce,
    "NEWOBJ": _Program.new_object,
    "BUILD": _Program.build,
}
