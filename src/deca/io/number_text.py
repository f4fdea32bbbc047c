"""Rows of numbers as lines of text, compiled: what a dense mesh's OBJ mostly is."""

from __future__ import annotations

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float, Int

DECIMALS = 6
_LARGEST = 4e12
"""Larger numbers would not fit the integers that they are turned into."""
_PAIRS = np.frombuffer("".join(f"{pair:02d}" for pair in range(100)).encode(), np.uint8)
_SPACE, _MINUS, _POINT, _SLASH, _ZERO, _NEWLINE = (ord(sign) for sign in " -./0\n")
# The most bytes that a real or an index takes, with what stands before it.
_REAL_WIDTH, _INDEX_WIDTH = 22, 11


def number_lines(keyword: bytes, values: Float[np.ndarray, "line column"]) -> np.ndarray:
    """One line for each row: the keyword and its numbers with six decimals, as bytes of text.

    A number that is not finite, or is beyond +-4e12, is a ValueError.
    """
    if not (np.abs(values) <= _LARGEST).all():
        raise ValueError(
            f"the {keyword.decode()} lines of an OBJ hold a number that is not finite, or beyond {_LARGEST:g}"
        )
    start = np.frombuffer(keyword, np.uint8)
    text = np.empty(len(values) * (len(start) + values.shape[1] * _REAL_WIDTH + 1), np.uint8)
    return text[: _put_reals(text, start, values)]


def face_lines(corners: tuple[Int[np.ndarray, "triangle 3"], ...]) -> np.ndarray:
    """One line for each triangle with one-based v/vt or v/vt/vn at each corner, of zero-based indices."""
    count, kinds = len(corners[0]), len(corners)
    text = np.empty(count * (2 + 3 * kinds * _INDEX_WIDTH), np.uint8)
    return text[: _put_faces(text, corners[0], corners[1], corners[-1], kinds)]


@numba.njit(cache=True, error_model="numpy")
@no_type_check  # The shape checks of the tests would wrap it, and the compiler cannot see through.
def _put_whole(text, end, number):
    """Write a whole number before `end`, an even count of digits at a time; returns where it starts."""
    while number >= 100:
        rest = number // 100
        pair = 2 * (number - 100 * rest)
        text[end - 2], text[end - 1] = _PAIRS[pair], _PAIRS[pair + 1]
        number, end = rest, end - 2
    if number >= 10:
        text[end - 2], text[end - 1] = _PAIRS[2 * number], _PAIRS[2 * number + 1]
        return end - 2
    text[end - 1] = _ZERO + number
    return end - 1


@numba.njit(cache=True, error_model="numpy")
@no_type_check
def _digits(number):
    count, limit = 1, 10
    while number >= limit:
        count, limit = count + 1, limit * 10
    return count


@numba.njit(cache=True, error_model="numpy")
@no_type_check
def _put_reals(text, keyword, values):
    place = 0
    for line in range(len(values)):
        for letter in keyword:
            text[place] = letter
            place += 1
        for column in range(values.shape[1]):
            scaled = np.int64(np.rint(np.float64(values[line, column]) * 10**DECIMALS))
            text[place] = _SPACE
            place += 1
            if scaled < 0:
                text[place] = _MINUS
                place += 1
                scaled = -scaled
            whole = scaled // 10**DECIMALS
            rest = np.uint32(scaled - whole * 10**DECIMALS)
            end = place + _digits(whole)
            _put_whole(text, end, whole)
            text[end] = _POINT
            high, low = rest // np.uint32(100), rest % np.uint32(100)
            first, second = high // np.uint32(100), high % np.uint32(100)
            for part in range(2):
                text[end + 1 + part] = _PAIRS[2 * first + part]
                text[end + 3 + part] = _PAIRS[2 * second + part]
                text[end + 5 + part] = _PAIRS[2 * low + part]
            place = end + 1 + DECIMALS
        text[place] = _NEWLINE
        place += 1
    return place


@numba.njit(cache=True, error_model="numpy")
@no_type_check
def _put_faces(text, vertices, texture_vertices, normals, kinds):
    place = 0
    for triangle in range(len(vertices)):
        text[place] = ord("f")
        place += 1
        for corner in range(3):
            for kind in range(kinds):
                text[place] = _SLASH if kind else _SPACE
                if kind == 0:
                    number = vertices[triangle, corner]
                elif kind == 1:
                    number = texture_vertices[triangle, corner]
                else:
                    number = normals[triangle, corner]
                number = np.uint32(number + 1)
                end = place + 1 + _digits(number)
                _put_whole(text, end, number)
                place = end
        text[place] = _NEWLINE
        place += 1
    return place
