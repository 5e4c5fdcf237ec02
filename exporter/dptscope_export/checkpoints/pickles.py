"""A look at a checkpoint's pickles before PyTorch runs them: what no dictionary of tensors needs is refused.

PyTorch's unpickler with ``weights_only=True`` runs no code of the file, but takes what a few hundred bytes can hold a machine
up with: dictionary keys that are tuples of tuples and take for ever to hash, keys that all have the same hash, and calls that
fill the memory (a ``bytearray`` of any length, text that is encoded over and over). So the instructions are followed here
first, without making anything, and the keys and calls are looked at. The instructions are those of
:mod:`pickletools`, as far as PyTorch takes them.
"""

from __future__ import annotations

import enum
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

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
_HARMLESS = frozenset({"torch.Size", "torch.device", "torch.serialization._get_layout", "builtins.complex"})


class UnsafePickleError(ValueError):
    """A pickle that is damaged, or does more than a dictionary of tensors needs. The message says what."""


class _Made(enum.Enum):
    """What an instruction would have made, where more of it need not be known."""

    DICTIONARY = enum.auto()
    LIST = enum.auto()
    OTHER = enum.auto()


@dataclass(frozen=True)
class _Name:
    """Something that the pickle imports."""

    name: str


def check_pickle(stream: BinaryIO, tensors: bool = True) -> None:
    """Follow one pickle to its end.

    Args:
        stream: stands at the beginning of the pickle, and afterwards behind it.
        tensors: False: only constants, lists and dictionaries may be in it.

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


class _Program:
    """The unpickler's stack and memo, with constants, names and tuples as they are and :class:`_Made` for the rest."""

    def __init__(self) -> None:
        self._stack: list[object] = []
        self._outer: list[list[object]] = []
        self._memo: dict[int, object] = {}

    def follow(self, name: str, argument: object) -> None:
        """Do what one instruction does to the stack."""
        if name in _CONSTANTS:
            self._stack.append(argument)
        elif name in _FRESH:
            self._stack.append(_FRESH[name])
        elif name in _TUPLES:
            size = _TUPLES[name]
            self._stack.append(tuple(self._stack.pop() for _ in range(size))[::-1])
        elif name in ("BINGET", "LONG_BINGET"):
            self._stack.append(self._memo[_whole(argument)])
        elif name in ("BINPUT", "LONG_BINPUT"):
            self._memo[_whole(argument)] = self._stack[-1]
        elif name == "GLOBAL":
            self._stack.append(_Name(str(argument).replace(" ", ".")))
        elif name in _ACTIONS:
            _ACTIONS[name](self)
        elif name not in ("PROTO", "STOP"):
            raise UnsafePickleError(f"the instruction {name}")

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
        self._stack.pop()

    def appends(self) -> None:
        self._since_mark()

    def set_item(self) -> None:
        self._stack.pop()
        _check_key(self._stack.pop())

    def set_items(self) -> None:
        for key in self._since_mark()[::2]:
            _check_key(key)

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
        arguments, function = self._stack.pop(), self._stack.pop()
        name = function.name if isinstance(function, _Name) else "something that is made here"
        if not isinstance(arguments, tuple):
            raise UnsafePickleError(f"a call of {name:.80} without a list of arguments")
        if name in _DICTIONARIES:
            fine = arguments in ((), (_Made.DICTIONARY,))
        elif name == _ENCODE:
            fine = len(arguments) == 2 and arguments[1] in ("latin1", "latin-1")  # how protocol 2 says bytes
        elif name == _FROM_TYPE:
            called = arguments[0] if arguments else None
            fine = isinstance(called, _Name) and called.name in _REBUILDS
        else:
            fine = name in _REBUILDS or name in _HARMLESS
        if not fine:
            raise UnsafePickleError(f"a call of {name:.80}")
        self._stack.append(_Made.DICTIONARY if name in _DICTIONARIES else _Made.OTHER)

    def build(self) -> None:
        """The only state that a dictionary of tensors has is the ``_metadata`` of ``Module.state_dict``."""
        state = self._stack.pop()
        if state is not _Made.DICTIONARY or self._stack[-1] is not _Made.DICTIONARY:
            raise UnsafePickleError("state of something that is no dictionary")


def _check_key(key: object) -> None:
    if isinstance(key, int) and not -(1 << 63) <= key < 1 << 63:
        raise UnsafePickleError("a key of more than 64 bits")
    if key is not None and not isinstance(key, (str, bytes, int, float)):
        raise UnsafePickleError("a key that is neither text nor a number")


def _whole(argument: object) -> int:
    assert isinstance(argument, int)
    return argument


_CONSTANTS = frozenset({"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINSTRING"})
_FRESH: dict[str, object] = {
    "NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": (), "EMPTY_LIST": _Made.LIST,
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
    "BUILD": _Program.build,
}
