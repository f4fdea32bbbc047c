"""The default head is what its documentation says: orthogonal, symmetric, closed, its landmarks where they
belong."""

import numpy as np
import pytest
import torch

from deca.head.data import REGIONS, HeadData
from deca.head.landmarks import contour_rows
from deca.head.model import HeadModel
from deca.io.heads import default_head

# Apple's documentation of ARFaceAnchor.BlendShapeLocation, 52 names.
ARKIT = """
eyeBlinkLeft eyeLookDownLeft eyeLookInLeft eyeLookOutLeft eyeLookUpLeft eyeSquintLeft eyeWideLeft
eyeBlinkRight eyeLookDownRight eyeLookInRight eyeLookOutRight eyeLookUpRight eyeSquintRight eyeWideRight
jawForward jawLeft jawRight jawOpen mouthClose mouthFunnel mouthPucker mouthLeft mouthRight mouthSmileLeft
mouthSmileRight mouthFrownLeft mouthFrownRight mouthDimpleLeft mouthDimpleRight mouthStretchLeft
mouthStretchRight mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper mouthPressLeft
mouthPressRight mouthLowerDownLeft mouthLowerDownRight mouthUpperUpLeft mouthUpperUpRight browDownLeft
browDownRight browInnerUp browOuterUpLeft browOuterUpRight cheekPuff cheekSquintLeft cheekSquintRight
noseSneerLeft noseSneerRight tongueOut
"""
MIRROR = np.array([-1.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def data() -> HeadData:
    return default_head()


@pytest.fixture(scope="module")
def model(data: HeadData) -> HeadModel:
    return HeadModel(data)


def vertices_with(
    model: HeadModel, jaw: float = 0.0, shape: np.ndarray | None = None, **actions: float
) -> np.ndarray:
    """The head's vertices with some actions at some value, the jaw turned about x, and a shape."""
    neutral = model.neutral()
    expression = neutral.expression.clone()
    for name, value in actions.items():
        expression[0, model.data.expression_names.index(name)] = value
    turned = torch.tensor([[jaw, 0.0, 0.0]])
    coefficients = neutral.shape if shape is None else torch.from_numpy(shape).float()[None]
    parameters = neutral.replace(expression=expression, jaw=turned, shape=coefficients)
    return model(parameters).vertices[0].double().numpy()


def points(
    data: HeadData, triangles: np.ndarray, barycentrics: np.ndarray, vertices: np.ndarray
) -> np.ndarray:
    return (vertices[data.triangles[triangles]] * barycentrics[..., None]).sum(-2)


def full(data: HeadData, vertices: np.ndarray) -> np.ndarray:
    return points(data, data.full_landmark_triangles, data.full_landmark_barycentrics, vertices)


def open_skin(data: HeadData) -> np.ndarray:
    """The triangles of the skin without cavities, lips and lids: what no action may fold."""
    folding = ("eyeballs", "teeth", "tongue", "mouth_interior", "eye_sockets", "lips", "eyes")
    return data.triangles[~np.any([data.region(name) for name in folding], 0)]


def corner_normals(triangles: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Unnormalised normals of triangles, twice their area long."""
    first, second, third = np.moveaxis(vertices[triangles], 1, 0)
    return np.cross(second - first, third - first)


def dihedral_angles(triangles: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """The signed bend across every edge that two of the triangles share, degrees."""
    edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    order = np.lexsort(edges.T)
    paired = np.flatnonzero((edges[order][1:] == edges[order][:-1]).all(1))
    first, second = order[paired] // 3, order[paired + 1] // 3
    normals = corner_normals(triangles, vertices)
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    ends = vertices[edges[order[paired]]]
    along = ends[:, 1] - ends[:, 0]
    along = along / np.linalg.norm(along, axis=1, keepdims=True)
    sine = (np.cross(normals[first], normals[second]) * along).sum(1)
    return np.degrees(np.arctan2(sine, (normals[first] * normals[second]).sum(1)))


def eyeball(data: HeadData, joint: str) -> np.ndarray:
    return np.flatnonzero(data.skinning_weights[:, data.joint_names.index(joint)] > 0.5)


def test_has_the_sizes_the_project_states(data: HeadData) -> None:
    assert len(data.shape_basis) == 100
    assert len(data.albedo_basis) == 50
    assert data.joint_names == ("root", "neck", "jaw", "left_eye", "right_eye")
    assert data.joint_parents.tolist() == [-1, 0, 1, 1, 1]
    assert len(data.dense_landmark_triangles) == 468
    assert sorted(data.expression_names) == sorted(ARKIT.split())
    assert set(REGIONS) <= set(data.region_names)
    assert data.licence.startswith("CC0-1.0; expressions MIT")


def test_is_a_life_size_head_in_the_head_frame(data: HeadData) -> None:
    landmarks = full(data, data.template_vertices)
    size = np.ptp(data.template_vertices, axis=0)
    assert 0.15 < size[0] < 0.2
    assert 0.25 < size[1] < 0.35
    # Outer eye corners of adults are 80 to 100 mm apart; left is +x, the chin is below, the nose in front.
    assert 0.08 < landmarks[45, 0] - landmarks[36, 0] < 0.1
    assert landmarks[8, 1] < landmarks[57, 1] < landmarks[33, 1] < landmarks[27, 1]
    assert landmarks[30, 2] == landmarks[:, 2].max()


def test_triangles_wind_outward(data: HeadData) -> None:
    """The flux of the position through a surface closed but for the neck is three times its volume:
    positive."""
    eyes = np.isin(data.triangles, eyeball(data, "left_eye")).all(1)
    for chosen in (eyes, ~np.any([data.region(name) for name in ("eyeballs", "teeth", "tongue")], 0)):
        corners = data.template_vertices[data.triangles[chosen]].astype(float)
        centre = corners.mean((0, 1))
        volume = np.linalg.det(corners - centre).sum() / 6
        assert volume > 0
    ball = data.template_vertices[eyeball(data, "left_eye")].astype(float)
    corners = data.template_vertices[data.triangles[eyes]] - (ball[0] + ball[-1]) / 2
    radius = np.linalg.norm(ball[0] - ball[-1]) / 2
    assert np.linalg.det(corners).sum() / 6 == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.06)


def test_is_mirror_symmetric(data: HeadData) -> None:
    mirror = data.vertex_mirror
    np.testing.assert_array_equal(mirror[mirror], np.arange(len(mirror)))
    np.testing.assert_allclose(data.template_vertices[mirror] * MIRROR, data.template_vertices, atol=1e-7)
    triangles = {frozenset(triangle) for triangle in data.triangles.tolist()}
    assert all(frozenset(mirror[triangle].tolist()) in triangles for triangle in data.triangles)
    weights = data.skinning_weights[mirror][:, [0, 1, 2, 4, 3]]
    np.testing.assert_allclose(weights, data.skinning_weights, atol=1e-6)


def test_shape_components_are_orthogonal_and_of_one_parity(data: HeadData) -> None:
    flat = data.shape_basis.reshape(100, -1).astype(float)
    gram = flat @ flat.T
    norms = np.sqrt(np.diag(gram))
    # Half precision on disk leaves one part in two thousand.
    assert np.abs(gram / np.outer(norms, norms) - np.eye(100)).max() < 2e-3
    assert (np.diff(norms) < 1e-5 * norms[0]).all()
    mirrored = data.shape_basis[:, data.vertex_mirror] * MIRROR
    parity = (mirrored * data.shape_basis).sum((1, 2)) / norms**2
    np.testing.assert_allclose(np.abs(parity), 1, atol=1e-3)
    assert (parity > 0).sum() > 60


def test_random_people_vary_as_people_do(data: HeadData) -> None:
    """Coefficients are N(0, 1): the face's distances then spread as anthropometry finds in adults and
    children."""
    coefficients = np.random.default_rng(0).standard_normal((400, 100))
    landmarks = full(data, data.template_vertices.astype(float))
    basis = np.stack([full(data, field.astype(float)) for field in data.shape_basis])
    people = landmarks + np.tensordot(coefficients, basis, 1)
    for first, second, low, high in ((36, 45, 0.002, 0.008), (48, 54, 0.0015, 0.006), (27, 8, 0.003, 0.014)):
        distance = np.linalg.norm(people[:, first] - people[:, second], axis=1)
        assert low < distance.std() < high


def test_eyeballs_stay_spheres_on_their_joints_for_every_shape(data: HeadData, model: HeadModel) -> None:
    shape = np.random.default_rng(1).standard_normal(100)
    vertices = vertices_with(model, shape=shape)
    joints = data.joint_regressor @ vertices
    for joint in ("left_eye", "right_eye"):
        ball = vertices[eyeball(data, joint)]
        radii = np.linalg.norm(ball - joints[data.joint_names.index(joint)], axis=1)
        assert np.ptp(radii) < 1e-4


def test_joint_and_action_open_the_same_jaw(data: HeadData, model: HeadModel) -> None:
    index = data.expression_names.index("jawOpen")
    assert not data.expression_basis[index].any()
    angle = float(data.expression_joint_rotations[index, data.joint_names.index("jaw"), 0])
    by_action, by_joint = vertices_with(model, jawOpen=1.0), vertices_with(model, jaw=angle)
    np.testing.assert_allclose(by_action, by_joint, atol=1e-7)
    closed, opened = full(data, vertices_with(model)), full(data, by_action)
    assert (opened - closed)[66, 1] < -0.02
    assert np.abs(opened - closed)[62].max() < 0.004
    assert np.abs(opened - closed)[36:48].max() < 0.0005


@pytest.mark.parametrize("action", sorted(ARKIT.split()))
def test_actions_neither_crease_nor_fold_the_skin(data: HeadData, model: HeadModel, action: str) -> None:
    """Away from lips and lids hardly an edge bends by more than a soft fold's angle (a dimple and the corners
    of pursed lips do), no triangle turns over or collapses."""
    skin = open_skin(data)
    # mouthClose is made to be used on an open jaw, which bends the throat.
    opened = {"jawOpen": 1.0} if action in ("jawOpen", "mouthClose") else {}
    rest, moved = vertices_with(model), vertices_with(model, **{**opened, action: 1.0})
    bend = dihedral_angles(skin, moved) - dihedral_angles(skin, rest)
    bend = np.sort(np.abs((bend + 180) % 360 - 180))
    assert bend[-1] < 70
    assert bend[-5] < (50 if opened else 35)
    normals = corner_normals(skin, moved)
    sums = np.zeros_like(moved)
    np.add.at(sums, skin, normals[:, None])
    around = sums[skin].sum(1)
    lengths = np.linalg.norm(normals, axis=1)
    facing = (normals * around).sum(1) / lengths / np.linalg.norm(around, axis=1)
    assert facing.min() > 0.3
    assert (lengths / np.linalg.norm(corner_normals(skin, rest), axis=1)).min() > 0.15


def test_the_mouth_moves_as_far_as_people_move_it(data: HeadData, model: HeadModel) -> None:
    """A full smile takes the corner of the mouth one and a half to two centimetres, back around the teeth and
    with the cheek before it; cheeks blow up by one and a half at most."""
    rest = vertices_with(model)
    smiling = full(data, vertices_with(model, mouthSmileLeft=1.0)) - full(data, rest)
    assert 0.014 < np.linalg.norm(smiling[54]) < 0.022
    assert smiling[54, 0] > 0.005 < smiling[54, 1]
    assert smiling[54, 2] < -0.005
    puffed = np.linalg.norm(vertices_with(model, cheekPuff=1.0) - rest, axis=1)
    assert 0.007 < puffed.max() < 0.015


def test_tongue_comes_out_between_the_lips(data: HeadData, model: HeadModel) -> None:
    """It lies inside at rest; put out, it passes over the lower lip and hangs in front of its skin."""
    tongue = np.unique(data.triangles[data.region("tongue")])
    landmarks = full(data, vertices_with(model, jawOpen=0.4))
    inside = vertices_with(model, jawOpen=0.4)[tongue]
    assert inside[:, 2].max() < landmarks[66, 2]
    outside = vertices_with(model, jawOpen=0.4, tongueOut=1.0)[tongue]
    lip = landmarks[57]
    assert outside[:, 2].max() > lip[2] + 0.005
    beyond = outside[outside[:, 2] > lip[2]]
    assert len(beyond) > 30
    assert np.abs(beyond[:, 0]).max() < landmarks[54, 0]
    front = outside[(np.abs(outside[:, 0]) < 0.004) & (outside[:, 2] > 0.05)]
    hanging = front[front[:, 1] < landmarks[66, 1] - 0.002]
    assert (hanging[:, 2] > landmarks[66, 2]).all()


def test_mouth_close_closes_an_open_jaw(data: HeadData, model: HeadModel) -> None:
    def gap(vertices: np.ndarray) -> float:
        landmarks = full(data, vertices)
        return float(np.linalg.norm(landmarks[62] - landmarks[66]))

    assert gap(vertices_with(model, jawOpen=1.0)) > 0.02
    assert gap(vertices_with(model, jawOpen=1.0, mouthClose=1.0)) < 0.004


@pytest.mark.parametrize(
    ("action", "joint", "axis", "sign"),
    [
        ("eyeLookUpLeft", "left_eye", 1, 1),
        ("eyeLookDownRight", "right_eye", 1, -1),
        ("eyeLookOutLeft", "left_eye", 0, 1),
        ("eyeLookInLeft", "left_eye", 0, -1),
        ("eyeLookOutRight", "right_eye", 0, -1),
        ("eyeLookInRight", "right_eye", 0, 1),
    ],
)
def test_eyes_look_where_the_action_says(
    data: HeadData, model: HeadModel, action: str, joint: str, axis: int, sign: int
) -> None:
    ball = eyeball(data, joint)
    pupil = ball[vertices_with(model)[ball, 2].argmax()]
    moved = vertices_with(model, **{action: 1.0}) - vertices_with(model)
    assert sign * moved[pupil, axis] > 0.003
    other = eyeball(data, "right_eye" if joint == "left_eye" else "left_eye")
    assert np.abs(moved[other]).max() < 1e-6


def test_actions_of_one_side_stay_there_and_mirror(data: HeadData) -> None:
    basis = dict(zip(data.expression_names, data.expression_basis, strict=True))
    for name in data.expression_names:
        if name.endswith("Left") and not name.startswith(("jaw", "mouthLeft")):
            mirrored = basis[name][data.vertex_mirror] * MIRROR
            np.testing.assert_allclose(mirrored, basis[name.replace("Left", "Right")], atol=1e-6)
    blink = np.linalg.norm(basis["eyeBlinkLeft"], axis=1)
    assert blink[data.template_vertices[:, 0] < -0.005].max() < 1e-4


def test_landmarks_lie_in_their_regions(data: HeadData) -> None:
    for first, last, region in ((27, 36, "nose"), (48, 60, "lips")):
        chosen = data.triangles[data.region(region)]
        near = full(data, data.template_vertices)[first:last]
        distance = np.linalg.norm(near[:, None] - data.template_vertices[np.unique(chosen)], axis=2).min(1)
        assert distance.max() < 0.006
    skin = ~np.any([data.region(name) for name in ("eyeballs", "teeth", "tongue")], 0)
    assert skin[data.dense_landmark_triangles].all()
    landmarks = full(data, data.template_vertices)
    order = [16 - k for k in range(17)]
    np.testing.assert_allclose(landmarks[:17], landmarks[order] * MIRROR, atol=5e-4)


def test_inner_corners_of_lids_and_lips_of_the_dense_points(data: HeadData) -> None:
    """Numbers of MediaPipe's face mesh: upper over lower lip and lid, right before left."""
    dense = points(
        data, data.dense_landmark_triangles, data.dense_landmark_barycentrics, data.template_vertices
    )
    for upper, lower in ((13, 14), (0, 17), (386, 374), (159, 145), (10, 152)):
        # Lips in touch overlap by half a millimetre.
        assert dense[upper, 1] > dense[lower, 1] - 1e-3
    for right, left in ((33, 263), (61, 291), (78, 308), (234, 454), (105, 334)):
        np.testing.assert_allclose(dense[right] * MIRROR, dense[left], atol=5e-4)
        assert dense[right, 0] < dense[left, 0]
    np.testing.assert_allclose(dense[13], dense[14], atol=0.004)


def test_contour_slides_to_the_outline_of_the_hidden_side(data: HeadData) -> None:
    def contour(yaw: int) -> np.ndarray:
        row = int(contour_rows(torch.tensor([float(yaw)]))[0])
        return points(
            data, data.contour_triangles[row], data.contour_barycentrics[row], data.template_vertices
        )

    frontal = contour(0)
    np.testing.assert_allclose(frontal, full(data, data.template_vertices)[:17], atol=1e-6)
    left, right = contour(30), contour(-30)
    # Turned to the subject's left, the left side is hidden: its points come forward, the right ones stay.
    np.testing.assert_allclose(left[:8], frontal[:8], atol=1e-6)
    assert (left[12:16, 2] > frontal[12:16, 2] + 0.01).all()
    np.testing.assert_allclose(right, left[::-1] * MIRROR, atol=2e-3)
    assert (contour(39)[12:16, 2] >= contour(15)[12:16, 2] - 1e-6).all()


def test_lids_and_lips_at_rest(data: HeadData, model: HeadModel) -> None:
    """Eyes are open and blink shut; random people's lips do not gape or cross."""
    neutral, blinking = full(data, vertices_with(model)), full(data, vertices_with(model, eyeBlinkLeft=1.0))
    assert (neutral[[43, 44], 1] - neutral[[47, 46], 1]).min() > 0.006
    assert np.abs(blinking[[43, 44], 1] - blinking[[47, 46], 1]).max() < 0.003
    generator = np.random.default_rng(2)
    for _ in range(10):
        landmarks = full(data, vertices_with(model, shape=1.5 * generator.choice([-1, 0, 1], 100)))
        assert (landmarks[[61, 62, 63], 1] - landmarks[[67, 66, 65], 1]).max() < 0.005
        assert (landmarks[[43, 44], 1] - landmarks[[47, 46], 1]).min() > 0.001
