"""Reading pickles without unpickling them: nothing is imported and nothing is called.

The opcodes are walked as `pickletools` decodes them; where a pickle asks for a call, a `Called` takes its place. What
it asks to put into dictionaries and objects afterwards is left out: the callers look at tuples, lists and storages.
A value may hold another one thousands of times by reference: callers take from it what they know, and turn nothing
into text, hash or compare nothing that is not text or a number.
Opcodes: https://github.com/python/cpython/blob/3.11/Lib/pickletools.py
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_MARK = object()
_MOST_OPCODES = 4_000_000  # PyTorch writes some thirty for each tensor


@dataclass(frozen=True, slots=True)
class Called:
    """What a pickle wants to be called: a function or a class by its full name, and with what."""

    function: Any
    arguments: Any


def read(data: bytes) -> tuple[Any, list[Any]]:
    """Return the pickled value and the persistent ids in it, in their order (PyTorch: one per use of a storage).

    Globals become their names. Raises `ValueError` for what is damaged, no pickle of protocols 2 to 4, or longer than
    any that PyTorch writes.
    """
    value, machine = _walked(data)
    return value, machine.persistent


def named(data: bytes) -> list[str]:
    """Return the globals that a pickle names, each time: unpickling imports them, and may call them.

    Raises what `read` does.
    """
    return _walked(data)[1].named


def _walked(data: bytes) -> tuple[Any, "_Machine"]:
    machine = _Machine()
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if count >= _MOST_OPCODES:
                raise ValueError(f"the pickle has more than {_MOST_OPCODES} operations")
            machine.step(opcode.name, argument)
        return machine.stack[-1], machine
    except (IndexError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the pickle is damaged: {type(error).__name__} in operation {count}") from error


class _Machine:
    """The stack machine of pickle, without the parts that do something."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.persistent: list[Any] = []
        self.named: list[str] = []

    def step(self, name: str, argument: Any) -> None:
        """Execute one opcode."""
        if name in _PLAIN:
            self.stack.append(_PLAIN[name]())
        elif name in _LITERALS:
            self.stack.append(argument)
        elif name == "GLOBAL":
            self.name(*argument.split(" "))
        elif name in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name in _ACTIONS:
            _ACTIONS[name](self)
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise ValueError(f"the pickle has the opcode {name}, which PyTorch does not write")

    def top(self, count: int) -> list[Any]:
        """Take that many values off the stack."""
        if len(self.stack) < count:
            raise IndexError("stack underflow")
        taken = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return taken

    def marked(self) -> list[Any]:
        """Take what lies above the last mark, and the mark."""
        taken: list[Any] = []
        while (value := self.stack.pop()) is not _MARK:
            taken.append(value)
        return taken[::-1]

    def call(self) -> None:
        self.stack.append(Called(*self.top(2)))

    def name(self, *parts: str) -> None:
        """Put the full name of a global there."""
        if not all(isinstance(part, str) for part in parts):
            raise TypeError("a global without a name")
        self.named.append(".".join(parts))
        self.stack.append(self.named[-1])

    def reach(self) -> None:
        self.persistent.append(self.stack.pop())
        self.stack.append(None)

    def extend(self) -> None:
        added = self.marked()
        self.list().extend(added)

    def append(self) -> None:
        added = self.stack.pop()
        self.list().append(added)

    def list(self) -> list[Any]:
        """Return the list on top, as it is."""
        if not isinstance(self.stack[-1], list):
            raise TypeError("no list to add to")
        return self.stack[-1]


_PLAIN: dict[str, Callable[[], Any]] = {
    "MARK": lambda: _MARK,
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
}
_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINSTRING", "SHORT_BINSTRING"),
}
_ACTIONS: dict[str, Callable[[_Machine], object]] = {
    "TUPLE": lambda machine: machine.stack.append(tuple(machine.marked())),
    "TUPLE1": lambda machine: machine.stack.append(tuple(machine.top(1))),
    "TUPLE2": lambda machine: machine.stack.append(tuple(machine.top(2))),
    "TUPLE3": lambda machine: machine.stack.append(tuple(machine.top(3))),
    "STACK_GLOBAL": lambda machine: machine.name(*machine.top(2)),
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "BINPERSID": _Machine.reach,
    "APPENDS": _Machine.extend,
    "APPEND": _Machine.append,
    "BUILD": lambda machine: machine.top(1),
    "SETITEM": lambda machine: machine.top(2),
    "SETITEMS": _Machine.marked,
    "POP": lambda machine: machine.top(1),
    "POP_MARK": _Machine.marked,
}
