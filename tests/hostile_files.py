"""Pickles that try to run something, or to fill memory or time; each with what the refusal must say."""

from __future__ import annotations

import pickle
import struct
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

# Where, as a share of the file's length, how many bytes go, and what comes in their place.
CHANGES = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 5), st.binary(max_size=9)),
    min_size=1,
    max_size=8,
)
COMMAND = "echo pwned > PWNED"


class Hostile(NamedTuple):
    """A file's bytes and a piece of the one line that refuses it."""

    content: bytes
    said: str


def _text(value: str) -> bytes:
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def _in_dict(value: bytes) -> bytes:
    """A dict with a model's first name, whose value the instructions in `value` make."""
    return b"\x80\x02}" + _text("v_template") + value + b"s."


def _array(shape: bytes, raw: bytes, dtype: bytes = b"f8") -> bytes:
    """The instructions of a numpy array; `shape` and `raw` are instructions too."""
    head = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR"
    kind = (
        b"cnumpy\ndtype\n(U"
        + bytes([len(dtype)])
        + dtype
        + b"K\x00K\x01tR(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    return head + b"(K\x01" + shape + kind + b"\x89" + raw + b"tb"


_COMMAND = _text(COMMAND)

RUNS_SOMETHING = {
    "global": Hostile(_in_dict(b"cos\nsystem\n" + _COMMAND + b"\x85R"), "asks for os.system"),
    "posix": Hostile(_in_dict(b"cposix\nsystem\n" + _COMMAND + b"\x85R"), "asks for posix.system"),
    "stack_global": Hostile(
        _in_dict(_text("os") + _text("system") + b"\x93" + _COMMAND + b"\x85R"), "asks for os.system"
    ),
    "stack_global_dotted": Hostile(
        _in_dict(_text("numpy") + _text("core.os.system") + b"\x93" + _COMMAND + b"\x85R"),
        "asks for numpy.core.os.system",
    ),
    "inst": Hostile(_in_dict(b"(" + _COMMAND + b"ios\nsystem\n"), "INST for os.system"),
    "obj": Hostile(_in_dict(b"(cos\nsystem\n" + _COMMAND + b"o"), "asks for os.system"),
    "obj_allowed": Hostile(_in_dict(b"(cchumpy.ch\nCh\n" + _COMMAND + b"o"), "instruction OBJ"),
    "newobj": Hostile(
        _in_dict(b"csubprocess\nPopen\n" + _COMMAND + b"\x85\x81"), "asks for subprocess.Popen"
    ),
    "newobj_ex": Hostile(_in_dict(b"cchumpy.ch\nCh\n)}\x92"), "instruction NEWOBJ_EX"),
    "eval": Hostile(_in_dict(b"c__builtin__\neval\n" + _COMMAND + b"\x85R"), "asks for __builtin__.eval"),
    "getattr": Hostile(
        _in_dict(b"cbuiltins\ngetattr\ncos\nsystem\n" + _text("x") + b"\x86R"), "asks for builtins.getattr"
    ),
    "setstate": Hostile(
        _in_dict(b"cchumpy.ch\nCh\n)\x81}" + _text("__setstate__") + b"cos\nsystem\nsb"), "asks for os.system"
    ),
    "state_of_a_name": Hostile(
        _in_dict(b"cnumpy\nndarray\n}" + _text("x") + b"K\x01sb"), "gives a state to a"
    ),
    "call_of_a_text": Hostile(_in_dict(_text("os.system") + _COMMAND + b"\x85R"), "calls a str"),
    "extension": Hostile(_in_dict(b"\x82\x01"), "instruction EXT1"),
    "extension_four": Hostile(_in_dict(b"\x84\x01\x00\x00\x00"), "instruction EXT4"),
    "persistent": Hostile(_in_dict(b"Pos.system\n"), "instruction PERSID"),
    "persistent_binary": Hostile(_in_dict(_COMMAND + b"Q"), "outside the file"),
    "buffer": Hostile(_in_dict(b"\x97"), "instruction NEXT_BUFFER"),
    "codec": Hostile(_in_dict(b"c_codecs\nencode\n" + _text("x") + _text("zlib") + b"\x86R"), "as zlib"),
    "reconstructor": Hostile(
        _in_dict(b"ccopy_reg\n_reconstructor\n(cos\nsystem\nc__builtin__\nobject\nNtR"), "asks for os.system"
    ),
    "torch_inside": Hostile(
        _in_dict(
            b"ctorch.storage\n_load_from_bytes\nC"
            + bytes([40])
            + b"\x80\x02cos\nsystem\n"
            + b"N" * 26
            + b".\x85R"
        ),
        "asks for os.system",
    ),
}


def _memo_bomb() -> bytes:
    return _in_dict(b"]r\xff\xff\xff\xff")


def _doubling(depth: int) -> bytes:
    """A list that holds the one before it ten times, and so on: 10 ** depth entries for who follows it."""
    steps = b"".join(
        b"](" + (b"h" + bytes([level])) * 10 + b"eq" + bytes([level + 1]) + b"0" for level in range(depth)
    )
    return _in_dict(b"]q\x000" + steps + b"h" + bytes([depth]))


def _doubling_key(depth: int) -> bytes:
    """A dict whose key is a tuple of tuples: hashing it would take 2 ** depth steps."""
    steps = b"".join(
        (b"h" + bytes([level])) * 2 + b"\x86q" + bytes([level + 1]) + b"0" for level in range(depth)
    )
    return b"\x80\x02})q\x000" + steps + b"h" + bytes([depth]) + b"K\x01s."


FILLS_MEMORY = {
    "memo": Hostile(_memo_bomb(), "remembers a value as number 4294967295"),
    "length_4": Hostile(_in_dict(b"B\xff\xff\xff\x7fabc"), "only"),
    "length_8": Hostile(_in_dict(b"\x8e" + b"\xff" * 7 + b"\x7fabc"), "only"),
    "text_8": Hostile(_in_dict(b"\x8d" + b"\xff" * 7 + b"\x7fabc"), "only"),
    "bytearray_8": Hostile(_in_dict(b"\x96" + b"\xff" * 7 + b"\x7fabc"), "only"),
    "python2_length": Hostile(_in_dict(b"T\xff\xff\xff\x7fabc"), "only"),
    "long_number": Hostile(_in_dict(b"\x8b\xff\xff\xff\x7fabc"), "not enough data"),
    "long_text_number": Hostile(_in_dict(b"L" + b"9" * 100_000 + b"L\n"), "damaged"),
    "shape": Hostile(
        _in_dict(_array(b"J\x40\x42\x0f\x00J\x40\x42\x0f\x00\x86", b"U\x08abcdefgh")),
        "claims 8000000000000 bytes for an array of shape (1000000, 1000000), 8 are there",
    ),
    "negative_shape": Hostile(
        _in_dict(_array(b"J\xff\xff\xff\xff\x85", b"U\x08abcdefgh")), "a shape that is none"
    ),
    "wide_dtype": Hostile(_in_dict(_array(b"K\x01\x85", b"U\x01a", b"V9999999")), "array of V9999999"),
    "object_array": Hostile(_in_dict(_array(b"K\x02\x85", b"]NaNa", b"O8")), "an array of objects"),
    "sparse": Hostile(
        _in_dict(
            b"cscipy.sparse.csc\ncsc_matrix\n)\x81}("
            + _text("_shape")
            + b"J\x40\x42\x0f\x00J\x40\x42\x0f\x00\x86"
            + _text("indptr")
            + _array(b"J\x41\x42\x0f\x00\x85", b"B" + struct.pack("<I", 8_000_008) + bytes(8_000_008), b"i8")
            + _text("indices")
            + _array(b"K\x00\x85", b"U\x00", b"i8")
            + _text("data")
            + _array(b"K\x00\x85", b"U\x00")
            + b"ub"
        ),
        "would take",
    ),
    "encoded_again_and_again": Hostile(
        _in_dict(
            b"c_codecs\nencode\nq\x00"
            + _text("a" * 1_000_000)
            + _text("latin1")
            + b"\x86q\x010]("
            + b"h\x00h\x01R" * 1000
            + b"e"
        ),
        "would take",
    ),
    "doubling_key": Hostile(_doubling_key(100), "has a tuple as a name"),
}

# Nothing is wrong with these for a machine that follows no list: they hold no array, and that is said.
HOLDS_NOTHING = {
    "doubling": _doubling(60),
    "deep_lists": _in_dict(b"]" * 100_000 + b"a" * 99_999),
    "deep_tuples": _in_dict(b")" + b"\x85" * 100_000),
    "deep_dicts": _in_dict((b"}" + _text("x")) * 20_000 + b"N" + b"s" * 20_000),
    "deep_marks": b"\x80\x02" + b"(" * 20_000 + b"N" + b"t" * 20_000 + b".",
    "itself": _in_dict(b"]q\x00h\x00a"),
}


def python_pickles(content: object) -> dict[int, bytes]:
    """The content as Python's own pickler writes it, by protocol."""
    return {protocol: pickle.dumps(content, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)}


def flame_like(vertex_count: int = 6) -> dict[str, np.ndarray]:
    """Arrays in FLAME's schema, small and consistent."""
    rng = np.random.default_rng(1)
    weights = rng.uniform(size=(vertex_count, 5))
    return {
        "v_template": rng.normal(size=(vertex_count, 3)),
        "f": rng.integers(vertex_count, size=(4, 3)).astype(np.uint32),
        "shapedirs": rng.normal(size=(vertex_count, 3, 400)),
        "posedirs": rng.normal(size=(vertex_count, 3, 36)),
        "J_regressor": rng.uniform(size=(5, vertex_count)),
        "weights": weights / weights.sum(1, keepdims=True),
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], [0, 1, 2, 3, 4]], np.uint32),
    }


def changed(content: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    """The content after CHANGES."""
    result = bytearray(content)
    for position, removed, inserted in changes:
        start = int(position * len(result))
        result[start : start + removed] = inserted
    return bytes(result)
