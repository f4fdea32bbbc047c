"""A pickle read as a list of instructions of which none is run: plain values, and by an allow-list, arrays.

Python's own unpickler calls whatever a file names. This one is a stack machine over the same instructions
that knows an allow-list of constructors, each of which only puts numbers into containers. It never recurses,
and it allocates nothing that the file does not hold or a constructor's allowance does not cover.
"""

from __future__ import annotations

import codecs
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from deca.io.damage import RefusedError
from deca.io.limited_reader import Stream

MAX_INSTRUCTIONS = 500_000  # the published networks take 20,000
_LARGEST_INTEGER_KEY = 2**20
_MOST_ARGUMENTS = 16
_REFUSED = "refused, nothing was run"
_DAMAGED = "the file is damaged, get it again"
_OPCODES = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}


class Dropped:
    """Stands for a value that holds no array, such as a set of names; what it held is not kept."""


DROPPED = Dropped()


class Unfinished:
    """A value whose state the pickle gives later; `product` is the value once it has done so."""

    product: object = None

    def build(self, state: object) -> object:
        """The value that the state describes; RefusedError where it describes none."""
        raise NotImplementedError


@dataclass(frozen=True)
class Constructor:
    """What a pickle may ask for by name, and the inert function that stands for it here."""

    name: str
    make: Callable[..., object]


def run_pickle(
    stream: Stream,
    constructors: Mapping[str, Constructor],
    persistent: Callable[[object], object] | None = None,
) -> object:
    """The value of the pickle at the stream's position, of dicts, lists, tuples and what constructors make.

    The stream is left where the pickle ends. `constructors` are by
    "module.name"; `persistent` makes the values of persistent ids, which are refused without it. Raises
    RefusedError, or one of Python's own errors where the pickle is damaged.
    """
    machine = _Machine(constructors, persistent)
    for _ in range(MAX_INSTRUCTIONS):
        code = stream.read(1)
        opcode = _OPCODES.get(code)
        if opcode is None:
            found = f"{code!r} is no pickle instruction" if code else "it ends in the middle"
            raise RefusedError(f"{found}; {_DAMAGED}")
        if opcode.name == "STOP":
            return machine.pop()
        argument = None
        if opcode.name == "STRING":
            argument = _python2_string(stream)
        elif opcode.arg is not None:
            argument = opcode.arg.reader(stream)
        machine.step(opcode.name, argument)
    raise RefusedError(f"more than {MAX_INSTRUCTIONS} pickle instructions; no published model needs as many")


def one_line(value: object) -> str:
    """A text or number of a file, cut so that it fits into an error; of anything else its type.

    Lists are not shown: one that holds another twice, and so on, is endless.
    """
    shown = ascii(str(value))[1:-1] if isinstance(value, str | int) else type(value).__name__
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _python2_string(stream: Stream) -> str:
    """A quoted text of protocol 0, in which Python 2 wrote bytes; pickletools itself takes ASCII alone."""
    line = pickletools.read_stringnl(stream, decode=False)
    return codecs.escape_decode(line)[0].decode("latin-1")


class _Machine:
    """The stack, the marks in it, and the memo; `step` carries out one instruction."""

    def __init__(
        self, constructors: Mapping[str, Constructor], persistent: Callable[[object], object] | None
    ) -> None:
        self._constructors = constructors
        self._persistent = persistent
        self._stack: list[object] = []
        self._below_marks: list[list[object]] = []
        self._memo: dict[object, object] = {}

    def step(self, name: str, argument: object) -> None:
        """Carry out one instruction; `argument` is what stands beside it in the file."""
        match name:
            case "INT" | "BININT" | "BININT1" | "BININT2" | "LONG" | "LONG1" | "LONG4" | "FLOAT" | "BINFLOAT":
                self._push(argument)
            case "BINBYTES" | "SHORT_BINBYTES" | "BINBYTES8" | "BYTEARRAY8":
                self._push(argument)
            case "STRING" | "BINSTRING" | "SHORT_BINSTRING":
                self._push(argument)
            case "UNICODE" | "SHORT_BINUNICODE" | "BINUNICODE" | "BINUNICODE8":
                self._push(argument)
            case "NONE":
                self._push(None)
            case "NEWTRUE" | "NEWFALSE":
                self._push(name == "NEWTRUE")
            case "EMPTY_LIST":
                self._push([])
            case "EMPTY_TUPLE":
                self._push(())
            case "EMPTY_DICT":
                self._push({})
            case "EMPTY_SET":
                self._push(DROPPED)
            case "BINPUT" | "LONG_BINPUT" | "PUT":
                self._remember(argument)
            case "MEMOIZE":
                self._remember(len(self._memo))
            case "BINGET" | "LONG_BINGET" | "GET":
                self._push(self._recalled(argument))
            case "MARK":
                self._below_marks.append(self._stack)
                self._stack = []
            case "TUPLE":
                items = self._pop_to_mark()
                self._push(tuple(items))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                items = [self.pop() for _ in range(int(name[-1]))]
                self._push(tuple(reversed(items)))
            case "REDUCE" | "NEWOBJ":
                arguments, callee = self.pop(), self.pop()
                self._push(_constructed(callee, arguments))
            case "BUILD":
                state, target = self.pop(), self.pop()
                self._push(_built(target, state))
            case "LIST":
                items = self._pop_to_mark()
                self._push(items)
            case "DICT":
                items = self._pop_to_mark()
                self._push(_with_items({}, items))
            case "APPEND":
                item = self.pop()
                self._push(_with_more(self.pop(), [item]))
            case "APPENDS":
                items = self._pop_to_mark()
                self._push(_with_more(self.pop(), items))
            case "SETITEM":
                value, key = self.pop(), self.pop()
                self._push(_with_items(self.pop(), [key, value]))
            case "SETITEMS":
                items = self._pop_to_mark()
                self._push(_with_items(self.pop(), items))
            case "ADDITEMS":
                self._pop_to_mark()
            case "FROZENSET":
                self._pop_to_mark()
                self._push(DROPPED)
            case "GLOBAL":
                self._push(self._allowed(str(argument).replace(" ", ".", 1)))
            case "STACK_GLOBAL":
                attribute, module = self.pop(), self.pop()
                self._push(self._allowed(f"{one_line(module)}.{one_line(attribute)}"))
            case "BINPERSID":
                if self._persistent is None:
                    raise RefusedError("refers to an object outside the file; refused, nothing was run")
                self._push(self._persistent(self.pop()))
            case "POP":
                self.pop()
            case "POP_MARK":
                self._pop_to_mark()
            case "DUP":
                self._push(self._stack[-1])
            case "PROTO" | "FRAME":
                pass
            case _:
                wish = f" for {one_line(argument).replace(' ', '.')}" if name == "INST" else ""
                raise RefusedError(f"uses the instruction {name}{wish}, which builds no array; {_REFUSED}")

    def pop(self) -> object:
        """The topmost value, taken off."""
        if not self._stack:
            raise RefusedError(f"an instruction finds nothing on the stack; {_DAMAGED}")
        return self._stack.pop()

    def _push(self, value: object) -> None:
        self._stack.append(value)

    def _pop_to_mark(self) -> list[object]:
        if not self._below_marks:
            raise RefusedError(f"an instruction finds no mark on the stack; {_DAMAGED}")
        items, self._stack = self._stack, self._below_marks.pop()
        return items

    def _remember(self, index: object) -> None:
        # Picklers number what they remember one by one; a far index would only be there to waste memory.
        if not isinstance(index, int) or not 0 <= index < MAX_INSTRUCTIONS:
            raise RefusedError(f"remembers a value as number {one_line(index)}; {_DAMAGED}")
        self._memo[index] = self._stack[-1]

    def _recalled(self, index: object) -> object:
        if index not in self._memo:
            raise RefusedError(f"recalls value {one_line(index)}, which was never remembered; {_DAMAGED}")
        value = self._memo[index]
        return value if not isinstance(value, Unfinished) or value.product is None else value.product

    def _allowed(self, name: str) -> Constructor:
        if name not in self._constructors:
            raise RefusedError(f"asks for {one_line(name)}, which builds no array; {_REFUSED}")
        return self._constructors[name]


def _constructed(callee: object, arguments: object) -> object:
    if not isinstance(callee, Constructor):
        raise RefusedError(f"calls a {type(callee).__name__}; {_REFUSED}")
    if not isinstance(arguments, tuple) or len(arguments) > _MOST_ARGUMENTS:
        raise RefusedError(f"calls {callee.name} with what are no arguments; {_REFUSED}")
    return callee.make(*arguments)


def _built(target: object, state: object) -> object:
    if isinstance(target, Unfinished) and target.product is None:
        target.product = target.build(state)
        return target.product
    if isinstance(target, dict):
        return target  # a state dict's own attributes, which hold no tensors
    raise RefusedError(f"gives a state to a {type(target).__name__}; {_REFUSED}")


def _with_more(target: object, items: list[object]) -> object:
    if target is DROPPED:
        return target
    if not isinstance(target, list):
        raise RefusedError(f"appends to a {type(target).__name__}; {_DAMAGED}")
    target.extend(items)
    return target


def _with_items(target: object, items: list[object]) -> object:
    """The dict with keys and values, which stand in turns."""
    if not isinstance(target, dict) or len(items) % 2:
        raise RefusedError(f"puts {len(items)} keys and values into a {type(target).__name__}; {_DAMAGED}")
    for key in items[::2]:
        # Tuples of tuples as keys take for ever to hash, and chosen large numbers collide.
        plain = isinstance(key, str | None) or (isinstance(key, int) and abs(key) < _LARGEST_INTEGER_KEY)
        if not plain:
            raise RefusedError(f"has a {type(key).__name__} as a name; names are texts or small numbers")
    target.update(zip(items[::2], items[1::2], strict=True))
    return target
