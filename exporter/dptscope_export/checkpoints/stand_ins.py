"""What takes the place of the objects that a training script saved beside the tensors: settings, paths, scores, the states of
random generators, optimizers.

Of a checkpoint only tensors are wanted. Nothing else of it is imported or called: PyTorch's restricted unpickler gets, under
the name of every class and function that it does not know itself, a class of ours that takes any arguments and any state and
keeps nothing of them. What the pickle fills as a dictionary or a list is one, so that tensors in it are found.
"""

from __future__ import annotations

import re
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

# Modules that no training script keeps anything of. To stand in for them would be harmless, but a file that calls them is not
# what it says that it is.
_SUSPICIOUS = frozenset(
    {
        "os", "posix", "nt", "sys", "subprocess", "shutil", "pty", "socket", "ctypes", "importlib", "runpy", "pickle",
        "marshal", "webbrowser", "operator",
    }
)  # fmt: skip
_OF_BUILTINS = frozenset(
    {
        "getattr",
        "object",
        "frozenset",
        "range",
        "slice",
        "list",
        "dict",
        "tuple",
        "int",
        "float",
        "str",
        "bool",
        "bytes",
    }
)
# PyTorch's unpickler knows many names of its own and would call those; these it does not know.
_OF_TORCH = re.compile(
    r"torch\.(Generator|_C\.Generator|torch_version\.\w+|(nn\.modules|optim|utils|amp|cuda\.amp|distributed)\.[\w.]+)"
)


class StandIn:
    """An object of another program, of which nothing is left but what it was called."""

    what = ""

    def __init__(self, *_arguments: Any, **_options: Any) -> None:
        pass

    def __setstate__(self, _state: Any) -> None:
        pass


@dataclass
class Foreign:
    """A class or function that a pickle names and PyTorch does not know, and what the pickle does with what it makes.

    Attributes:
        name: its full name in today's Python.
        uses: ``items`` where it is filled as a dictionary, ``entries`` where it is filled as a list, ``state`` and ``other
            state`` where it gets a dictionary or something else as its state.
    """

    name: str
    uses: set[str] = field(default_factory=set)

    def contradicts(self) -> bool:
        """Tell whether nothing can be used in all these ways: a dictionary takes a dictionary as state, a list nothing."""
        others = self.uses - ({"items", "state"} if "items" in self.uses else {"entries"})
        return bool(self.uses & {"items", "entries"} and others)

    def stand_in(self) -> type:
        """Make the class that PyTorch's unpickler is to call in its place."""
        if "items" in self.uses:
            return type("Dictionary", (), {"__new__": lambda _cls, *_arguments: OrderedDict()})
        if "entries" in self.uses:
            return type("List", (), {"__new__": lambda _cls, *_arguments: []})
        return type("Named", (StandIn,), {"what": self.name})


def todays_name(module: str, name: str) -> str:
    """The full name in today's Python of what a pickle names, which in protocol 2 are the names of Python 2."""
    if (module, name) in NAME_MAPPING:
        module, name = NAME_MAPPING[module, name]
    elif module in IMPORT_MAPPING:
        module = IMPORT_MAPPING[module]
    return f"{module}.{name}"


def is_foreign(name: str) -> bool:
    """Tell whether a stand-in may be called under this name: PyTorch itself must not know it."""
    top, _, rest = name.partition(".")
    if top == "builtins":
        return rest in _OF_BUILTINS
    if top == "torch":
        return _OF_TORCH.fullmatch(name) is not None
    return top not in _SUSPICIOUS and name not in ("collections.OrderedDict", "collections.Counter", "_codecs.encode")
