"""Linear blend skinning and pose correctives: pure functions of rotations, joints and rest vertices."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def joint_transforms(
    rotations: Float[Tensor, "batch joint 3 3"],
    joints: Float[Tensor, "batch joint 3"],
    parents: Sequence[int],
) -> Float[Tensor, "batch joint 3 4"]:
    """Rest-to-posed transforms: every joint turns about itself, then follows its parent (-1 for none)."""
    translations = joints - (rotations @ joints[..., None])[..., 0]
    chain: list[tuple[Tensor, Tensor]] = []
    for joint, parent in enumerate(parents):
        rotation, translation = rotations[:, joint], translations[:, joint]
        if parent >= 0:
            parent_rotation, parent_translation = chain[parent]
            translation = (parent_rotation @ translation[..., None])[..., 0] + parent_translation
            rotation = parent_rotation @ rotation
        chain.append((rotation, translation))
    return torch.stack([torch.cat([rotation, moved[..., None]], -1) for rotation, moved in chain], 1)


def skin(
    vertices: Float[Tensor, "batch vertex 3"],
    transforms: Float[Tensor, "batch joint 3 4"],
    weights: Float[Tensor, "vertex joint"],
) -> Float[Tensor, "batch vertex 3"]:
    """Carry each rest vertex by the weighted mean of its joints' transforms (linear blend skinning)."""
    blended = (weights @ transforms.flatten(2)).unflatten(-1, (3, 4))
    return (blended[..., :3] @ vertices[..., None])[..., 0] + blended[..., 3]


def pose_features(rotations: Float[Tensor, "batch joint 3 3"]) -> Float[Tensor, "batch feature"]:
    """The entries, row by row, of R - I of every joint but the first (FLAME: Li et al. 2017, section 3)."""
    identity = torch.eye(3, dtype=rotations.dtype, device=rotations.device)
    return (rotations[:, 1:] - identity).flatten(1)
