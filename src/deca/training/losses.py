"""The coarse losses: one value a face, so that nothing depends on how many faces are in a batch.

DECA's |.|_1 is a mean here over the numbers that it sums (coordinates, pixels), so that a weight means the
same for any size of picture. The released code, which has the published weights, takes means too.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from deca.parameters import Parameters

# Points of the iBUG scheme, upper beside lower: lids from the subject's right to left, inner lips likewise.
LID_PAIRS = ((37, 41), (38, 40), (43, 47), (44, 46))
LIP_PAIRS = ((61, 67), (62, 66), (63, 65))
# Points that the released code weighs by more than one.
_RELEASED_HEAVY = {
    2.0: (5, 6, 10, 11),
    1.5: (*range(27, 36), *range(48, 68)),
    3.0: (30, 31, 35, 48, 54),
}


def landmark_loss(
    landmarks: Float[Tensor, "face point 2"], target: Float[Tensor, "face point 3"]
) -> Float[Tensor, " face"]:
    """Mean over points and coordinates of c |k - project(M)|, in units of the image frame.

    DECA, section 4.1, sums over the points. `landmarks` are the head's projected points, `target` the photo's
    (x, y, confidence c). A point of no confidence adds nothing and still counts, so a face that shows few
    points has less weight than one that shows all. For the 68 points as for the dense ones.
    """
    return (target[..., 2] * _distance(landmarks, target)).mean(1) / 2


def released_landmark_loss(
    landmarks: Float[Tensor, "face 68 2"], target: Float[Tensor, "face 68 3"]
) -> Float[Tensor, " face"]:
    """sum w c (|dx| + |dy|) / (2 sum w c) over the points, w the released weights: nose, mouth and jaw count
    more.

    The released code takes both sums over the whole batch, which is the same wherever all points are visible.
    Zero where none is.
    """
    weights = released_landmark_weights().to(landmarks) * target[..., 2]
    total = weights.sum(1)
    # The branch that is not taken must still be finite, or its gradient is NaN.
    safe = torch.where(total > 0, total, 1)
    return (weights * _distance(landmarks, target)).sum(1) / (2 * safe)


def released_landmark_weights() -> Float[Tensor, " 68"]:
    """How much the released code lets each of the 68 points count."""
    weights = torch.ones(68)
    for weight, points in _RELEASED_HEAVY.items():
        weights[list(points)] = weight
    return weights


def eye_closure_loss(
    landmarks: Float[Tensor, "face 68 2"], target: Float[Tensor, "face 68 3"]
) -> Float[Tensor, " face"]:
    """Mean over pairs of points on upper and lower lids, and over coordinates, of
    c |(k_i - k_j) - (project(M_i) - project(M_j))| (DECA, section 4.1).

    Free of where the eye is. The confidence c of a pair is its less certain point's.
    """
    return _pair_loss(landmarks, target, LID_PAIRS)


def lip_closure_loss(
    landmarks: Float[Tensor, "face 68 2"], target: Float[Tensor, "face 68 3"]
) -> Float[Tensor, " face"]:
    """As `eye_closure_loss` for three pairs of points on the inner lips; not in the paper."""
    return _pair_loss(landmarks, target, LIP_PAIRS)


def released_eye_closure_loss(
    landmarks: Float[Tensor, "face 68 2"], target: Float[Tensor, "face 68 3"]
) -> Float[Tensor, " face"]:
    """Mean over the pairs of lid points of the difference of their distances, | |k_i - k_j| - |project(M_i) -
    project(M_j)| |.

    Distances have no direction: lids that cross look open. Confidence is not used.
    """
    return _released_pair_loss(landmarks, target, LID_PAIRS)


def released_lip_distance_loss(
    landmarks: Float[Tensor, "face 68 2"], target: Float[Tensor, "face 68 3"]
) -> Float[Tensor, " face"]:
    """As `released_eye_closure_loss` for three pairs of points on the inner lips; not in the paper."""
    return _released_pair_loss(landmarks, target, LIP_PAIRS)


def photometric_loss(
    image: Float[Tensor, "face 3 height width"],
    rendered: Float[Tensor, "face 3 height width"],
    weights: Float[Tensor, "face 1 height width"],
) -> Float[Tensor, " face"]:
    """Mean over all pixels and colours of |V (I - I_r)| (DECA, sections 4.1 and 4.2).

    `weights` V in [0, 1] say where the photo shows bare skin and, as the caller's rendering ends somewhere,
    where it draws something. Pixels of no weight count in the mean.
    """
    return (weights * (image - rendered)).abs().mean((1, 2, 3))


def code_size(code: Float[Tensor, "face *code"]) -> Float[Tensor, " face"]:
    """The regulariser |x|^2, a sum of squares, of shape, expression or albedo coefficients (DECA, section
    4.1)."""
    return code.flatten(1).square().sum(1)


def released_code_size(code: Float[Tensor, "face *code"]) -> Float[Tensor, " face"]:
    """Half the sum of squares; the released code sums this over the batch, `deca.training.presets` says how
    often."""
    return code_size(code) / 2


def released_light_greyness(lighting: Float[Tensor, "face 9 3"]) -> Float[Tensor, " face"]:
    """Mean square, over bands and colours, of the light's distance from grey, l - mean over colours of l; not
    in the paper."""
    return (lighting - lighting.mean(2, keepdim=True)).square().mean((1, 2))


def other_photos(people: int, ring: int, generator: torch.Generator) -> Int[Tensor, " face"]:
    """For each photo the row of another of the same person, where `ring` photos a person stand in consecutive
    rows (DECA, section 4.1, shape consistency).

    All photos of a person move on by the same random number of places, so each is used once. With a ring of
    one a photo stands for itself.
    """
    steps = torch.randint(1, ring, (people, 1), generator=generator) if ring > 1 else torch.zeros(people, 1)
    places = (torch.arange(ring) + steps.long()) % ring
    return (places + ring * torch.arange(people)[:, None]).flatten()


def released_other_photos(people: int, ring: int, generator: torch.Generator) -> Int[Tensor, " face"]:
    """As `other_photos`, each person's photos in random order, so that a photo may stand for itself."""
    places = torch.stack([torch.randperm(ring, generator=generator) for _ in range(people)])
    return (places + ring * torch.arange(people)[:, None]).flatten()


def with_shapes_of(parameters: Parameters, rows: Int[Tensor, " face"]) -> Parameters:
    """Shape consistency: the faces with the shapes that other photos of the same people gave.

    The shape consistency loss is the whole coarse loss of these against the photos as they are: L_coarse(I_i,
    M(beta_j, theta_i, psi_i)) (DECA, section 4.1), a value a face.
    """
    return parameters.replace(shape=parameters.shape[rows])


def visible_only(
    weights: Float[Tensor, "face 1 height width"], alpha: Float[Tensor, "face 1 height width"]
) -> Float[Tensor, "face 1 height width"]:
    """Weights of the photometric loss: the photo's skin where the rendering draws the head; no gradient flows
    through where that is."""
    return weights * alpha.detach()


def _distance(
    landmarks: Float[Tensor, "face point 2"], target: Float[Tensor, "face point 3"]
) -> Float[Tensor, "face point"]:
    """|dx| + |dy|; zero, with no gradient, for points of no confidence, whatever stands there."""
    known: Bool[Tensor, "face point 1"] = target[..., 2:] > 0
    return torch.where(known, landmarks - target[..., :2], 0).abs().sum(-1)


def _pair_loss(
    landmarks: Float[Tensor, "face 68 2"],
    target: Float[Tensor, "face 68 3"],
    pairs: tuple[tuple[int, int], ...],
) -> Float[Tensor, " face"]:
    first, second = (list(side) for side in zip(*pairs, strict=True))
    confidence = torch.minimum(target[:, first, 2], target[:, second, 2])
    between = landmarks[:, first] - landmarks[:, second]
    expected = target[:, first, :2] - target[:, second, :2]
    return landmark_loss(between, torch.cat([expected, confidence[..., None]], -1))


def _released_pair_loss(
    landmarks: Float[Tensor, "face 68 2"],
    target: Float[Tensor, "face 68 3"],
    pairs: tuple[tuple[int, int], ...],
) -> Float[Tensor, " face"]:
    first, second = (list(side) for side in zip(*pairs, strict=True))
    distance = (landmarks[:, first] - landmarks[:, second]).norm(dim=-1)
    expected = (target[:, first, :2] - target[:, second, :2]).norm(dim=-1)
    return (distance - expected).abs().mean(1)
