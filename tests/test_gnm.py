"""GNM Head's schema, on a stand-in made of the default head: joints, pose and regions stay what they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from gnm_stand_in import JOINTS, gnm_arrays

from deca.conversion.asset import AssetError
from deca.geometry import axis_angle_to_matrix
from deca.head.data import HeadData, head_data_from_arrays
from deca.head.model import HeadModel
from deca.io.gnm_files import is_gnm, read_gnm
from deca.io.heads import default_head
from deca.io.published_files import read_published

MICROMETRE = 1e-6


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    return gnm_arrays(default_head())


@pytest.fixture(scope="module")
def head(arrays: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> HeadData:
    path = write(tmp_path_factory.mktemp("gnm"), arrays)
    assert is_gnm(path)
    asset = read_published(path)
    assert (asset.name, asset.kind) == ("gnm", "head")
    return head_data_from_arrays(asset.arrays, "gnm")


def write(folder: Path, arrays: dict[str, np.ndarray]) -> Path:
    path = folder / "gnm_head.npz"
    np.savez(path, allow_pickle=False, **arrays)
    return path


def test_everything_of_gnms_own_is_kept(head, arrays):
    for ours, theirs in (
        ("template_vertices", "template_vertex_positions"),
        ("triangles", "triangles"),
        ("shape_basis", "vertex_identity_basis"),
        ("expression_basis", "expression_basis"),
    ):
        np.testing.assert_array_equal(getattr(head, ours), arrays[theirs])
    assert head.expression_names == tuple(arrays["expression_names"])
    assert head.joint_names == ("root", *JOINTS)
    assert head.joint_parents.tolist() == [-1, 0, 1, 2, 2]
    assert head.version == "3.0 head"


def test_joints_are_the_published_ones_of_every_person_and_expression(head, arrays):
    model = HeadModel(head)
    random = np.random.default_rng(4)
    for _ in range(3):
        shape = random.normal(size=(1, len(head.shape_basis))).astype(np.float32)
        expression = random.normal(size=(1, len(head.expression_basis))).astype(np.float32)
        parameters = model.neutral().replace(
            shape=torch.from_numpy(shape), expression=torch.from_numpy(expression)
        )
        joints = model.rest_joints(parameters)[0].numpy()
        moved = np.tensordot(shape[0].astype(float), arrays["joint_identity_basis"], 1)
        published = arrays["template_joint_positions"] + moved
        assert np.abs(joints[1:] - published).max() < MICROMETRE
        assert np.abs(joints[0] - published[0]).max() < MICROMETRE


def test_a_turned_neck_poses_the_head_as_gnm_does(head, arrays):
    model = HeadModel(head)
    turn = torch.tensor([[0.1, 0.3, -0.05]])
    posed = model(model.neutral().replace(neck=turn)).vertices[0].numpy()
    # Linear blend skinning by hand: all joints but the neck rest, so all turn about the neck's joint.
    rotation = axis_angle_to_matrix(turn.double())[0].numpy()
    features = np.zeros((4, 3, 3))
    features[JOINTS.index("neck")] = rotation - np.eye(3)
    correctives = features.ravel() @ arrays["pose_correctives_regressor"].astype(float)
    rest = arrays["template_vertex_positions"] + correctives.reshape(-1, 3)
    neck = arrays["template_joint_positions"][JOINTS.index("neck")]
    np.testing.assert_allclose(posed, (rest - neck) @ rotation.T + neck, atol=2e-6)


def test_an_eye_turns_about_its_own_joint(head, arrays):
    model = HeadModel(head)
    eyes = torch.zeros_like(model.neutral().eyes)
    eyes[0, 0] = torch.tensor([0.0, 0.2, 0.0])
    plain = head.skinning_weights[:, head.joint_names.index("left_eye")] > 0.99
    posed = model(model.neutral().replace(eyes=eyes)).vertices[0].numpy()[plain]
    rotation = axis_angle_to_matrix(eyes[:, 0].double())[0].numpy()
    features = np.zeros((4, 3, 3))
    features[JOINTS.index("left_eye")] = rotation - np.eye(3)
    correctives = (features.ravel() @ arrays["pose_correctives_regressor"].astype(float)).reshape(-1, 3)
    rest = (arrays["template_vertex_positions"] + correctives)[plain]
    joint = arrays["template_joint_positions"][JOINTS.index("left_eye")]
    np.testing.assert_allclose(posed, (rest - joint) @ rotation.T + joint, atol=2e-6)


def test_regions_are_the_groups_that_have_their_names_and_the_default_heads(head):
    default = default_head()
    for name in ("teeth", "tongue"):
        np.testing.assert_array_equal(head.region(name), default.region(name))
    for name in ("lips", "nose", "scalp", "eyeballs"):
        own = default.region(name)
        assert (head.region(name) & own).sum() > 0.95 * own.sum()
    assert "left_side" not in head.region_names


def test_landmarks_are_found_without_any(head):
    default = default_head()

    def places(data: HeadData) -> np.ndarray:
        corners = data.template_vertices[data.triangles[data.dense_landmark_triangles]]
        return (corners * data.dense_landmark_barycentrics[..., None]).sum(1)

    assert np.linalg.norm(places(head) - places(default), axis=1).max() < 0.0005


def test_tiles_of_the_map_are_brought_together(head, arrays):
    assert arrays["triangle_uvs"].max() > 2
    assert head.texture_vertices.min() >= 0
    assert head.texture_vertices.max() <= 1
    corners = head.texture_vertices[head.texture_triangles]
    balls = corners[head.region("eyeballs")].reshape(-1, 2)
    teeth = corners[head.region("teeth")].reshape(-1, 2)
    assert (balls.max(0) < teeth.min(0)).any() or (teeth.max(0) < balls.min(0)).any()


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("skinning_weights", None, "lacks skinning_weights"),
        ("joint_names", None, "lacks joint_names"),
        ("skinning_weights", lambda array: 2 * array, "sum to one"),
        ("template_joint_positions", lambda array: array * np.nan, "not finite"),
        ("joint_identity_basis", lambda array: array[:, :3], "joint_identity_basis has shape"),
        ("pose_correctives_regressor", lambda array: array[:9], "pose_correctives_regressor has shape"),
        ("joint_names", lambda array: np.array(["neck", "head", "jaw", "left_eye"]), "two eyes"),
        ("joint_parent_indices", lambda array: np.array([1, 0, 1, 1]), "earlier one"),
        ("expression_names", lambda array: array[:-1], "expression_names"),
        ("triangles", lambda array: array - 1, "index -1"),
        ("vertex_groups", lambda array: array[:, :-1], "vertex_groups has shape"),
    ],
)
def test_damaged_files_are_refused(arrays, tmp_path, name, change, message):
    damaged = dict(arrays)
    if change is None:
        del damaged[name]
    else:
        damaged[name] = change(damaged[name])
    path = write(tmp_path, damaged)
    with pytest.raises(AssetError, match=message) as error:
        read_gnm(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_expressions_that_repeat_what_moves_a_joint_are_refused(arrays, tmp_path):
    expression = arrays["expression_basis"].copy()
    expression[0] = arrays["vertex_identity_basis"][0]
    with pytest.raises(AssetError, match="contradict"):
        read_gnm(write(tmp_path, {**arrays, "expression_basis": expression}))


def test_other_files_are_no_gnm(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, template_vertex_positions=np.zeros(3))
    assert not is_gnm(path)
    path.write_bytes(b"PK")
    assert not is_gnm(path)
