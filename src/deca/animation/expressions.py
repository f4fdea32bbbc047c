"""Expressions by name: presets and facial actions with strengths."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from deca.animation.presets import PRESETS
from deca.head.data import HeadData


class ExpressionError(ValueError):
    """An expression is asked for that the head does not know; the message lists what it knows."""


def named_expression(words: tuple[str, ...], data: HeadData) -> Float[Tensor, "1 expression"]:
    """The coefficients of presets and actions such as "smile=0.8" and "jawOpen"; they add up, to one at most.

    ExpressionError for a name that is not known, a strength that is not a number, or a head whose expressions
    have no names of actions.
    """
    if not data.has_actions:
        raise ExpressionError(f"the expressions of the head {data.name} are components without names")
    coefficients = torch.zeros(1, len(data.expression_names))
    for word in words:
        name, _, text = word.partition("=")
        try:
            strength = float(text) if text else 1.0
        except ValueError:
            raise ExpressionError(f"{word}: {text!r} is no number; write smile=0.8") from None
        if not 0 <= strength <= 1.5:
            raise ExpressionError(f"{word}: a strength lies between 0 and 1.5")
        for action, share in PRESETS.get(name, {name: 1.0}).items():
            for index in _indices(action, name, data):
                coefficients[0, index] += strength * share
    return coefficients.clamp(0, 1)


def _indices(action: str, asked: str, data: HeadData) -> list[int]:
    """The places of an action, or of its left and right."""
    names = data.expression_names
    found = [names.index(name) for name in (action, f"{action}Left", f"{action}Right") if name in names]
    if not found:
        raise ExpressionError(
            f"no expression {asked!r}; there are the presets {', '.join(PRESETS)} and the actions "
            f"{', '.join(names)}"
        )
    return found
