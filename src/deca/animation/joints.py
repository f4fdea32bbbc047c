"""Jaw and eyes said by their joints or by the facial actions that turn the same joints."""

from __future__ import annotations

import torch

from deca.head.data import HeadData
from deca.parameters import Parameters

_EYES = ("left_eye", "right_eye")


def jaw_as_action(parameters: Parameters, data: HeadData) -> Parameters:
    """The same posed head, its jaw opened by the action jawOpen as far as that goes (up to one).

    What else the jaw does, sideways or further, stays with its joint; so does all of it on a head whose
    action does more than turn the joint.
    """
    if "jawOpen" not in data.expression_names or "jaw" not in data.joint_names:
        return parameters
    action, joint = data.expression_names.index("jawOpen"), data.joint_names.index("jaw")
    turn = torch.from_numpy(data.expression_joint_rotations[action, joint]).to(parameters.jaw)
    squared = (turn * turn).sum()
    if squared == 0 or data.expression_basis[action].any():
        return parameters
    opened = parameters.expression[:, action]
    share = ((parameters.jaw @ turn) / squared).clamp(min=0).minimum(1 - opened)
    expression = parameters.expression.clone()
    expression[:, action] = opened + share
    return parameters.replace(expression=expression, jaw=parameters.jaw - share[:, None] * turn)


def jaw_as_joint(parameters: Parameters, data: HeadData) -> Parameters:
    """The same posed head, its jaw opened by its joint alone, as fitting and networks say it."""
    if "jawOpen" not in data.expression_names or "jaw" not in data.joint_names:
        return parameters
    action, joint = data.expression_names.index("jawOpen"), data.joint_names.index("jaw")
    turn = torch.from_numpy(data.expression_joint_rotations[action, joint]).to(parameters.jaw)
    if data.expression_basis[action].any():
        return parameters
    expression = parameters.expression.clone()
    expression[:, action] = 0
    jaw = parameters.jaw + parameters.expression[:, action, None] * turn
    return parameters.replace(expression=expression, jaw=jaw)


def gaze_as_actions(parameters: Parameters, data: HeadData) -> Parameters:
    """The same gaze, said by the actions that turn the eyes (eyeLook...) as far as these go.

    On a head whose actions also move the lids, the lids follow.
    """
    if any(name not in data.joint_names for name in _EYES):
        return parameters
    expression, eyes = parameters.expression.clone(), parameters.eyes.clone()
    for eye, name in enumerate(_EYES):
        turns = torch.from_numpy(data.expression_joint_rotations[:, data.joint_names.index(name)])
        for action, turn in enumerate(turns.to(eyes)):
            squared = (turn * turn).sum()
            if squared > 0:
                share = ((eyes[:, eye] @ turn) / squared).clamp(min=0).minimum(1 - expression[:, action])
                expression[:, action] += share
                eyes[:, eye] -= share[:, None] * turn
    return parameters.replace(expression=expression, eyes=eyes)
