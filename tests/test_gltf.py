"""The GLB, read back by another library and posed by a small evaluator, against the head model."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pygltflib import GLTF2, Accessor
from scipy.spatial.transform import Rotation

from deca.animation.joints import jaw_as_action
from deca.animation.motion import Motion
from deca.geometry import axis_angle_to_matrix
from deca.head.data import HeadData
from deca.head.model import HeadModel
from deca.io.gltf import at_rest, write_glb
from deca.io.heads import default_head
from deca.parameters import Parameters

BROWSER = Path(__file__).parent / "browser"
DTYPES = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
COLUMNS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


class Glb:
    """A GLB as an engine sees it."""

    def __init__(self, path: Path) -> None:
        loaded = GLTF2().load_binary(str(path))
        assert loaded is not None
        self.gltf, self.blob = loaded, loaded.binary_blob()
        self.mesh, self.skin = loaded.meshes[0], loaded.skins[0]
        self.names: list[str] = self.mesh.extras["targetNames"]

    def _bytes(self, view: int, offset: int | None = 0) -> bytes:
        described = self.gltf.bufferViews[view]
        return self.blob[described.byteOffset + (offset or 0) : described.byteOffset + described.byteLength]

    def array(self, index: int) -> np.ndarray:
        accessor: Accessor = self.gltf.accessors[index]
        dtype, columns = DTYPES[accessor.componentType], COLUMNS[accessor.type]
        count = accessor.count * columns
        values = np.zeros(count, dtype)
        if accessor.bufferView is not None:
            values = np.frombuffer(self._bytes(accessor.bufferView, accessor.byteOffset), dtype, count).copy()
        values = values.reshape(accessor.count, columns)
        if accessor.sparse is not None:
            sparse = accessor.sparse
            rows = np.frombuffer(
                self._bytes(sparse.indices.bufferView), DTYPES[sparse.indices.componentType], sparse.count
            )
            new = np.frombuffer(self._bytes(sparse.values.bufferView), dtype, sparse.count * columns)
            values[rows] = new.reshape(sparse.count, columns)
        return values

    def images(self) -> list[np.ndarray]:
        return [np.asarray(Image.open(io.BytesIO(self._bytes(i.bufferView)))) for i in self.gltf.images]

    def attribute(self, name: str) -> np.ndarray:
        return self.array(getattr(self.mesh.primitives[0].attributes, name))

    def triangles(self) -> np.ndarray:
        return np.concatenate([self.array(p.indices).reshape(-1, 3) for p in self.mesh.primitives])

    def target(self, name: str, attribute: str = "POSITION") -> np.ndarray:
        return self.array(self.mesh.primitives[0].targets[self.names.index(name)][attribute])

    def joint_matrices(self) -> np.ndarray:
        """What carries a bound vertex along with each joint (glTF 2.0, section 3.7.3)."""
        nodes, worlds = self.gltf.nodes, {}

        def descend(index: int, parent: np.ndarray) -> None:
            local = np.eye(4)
            local[:3, :3] = Rotation.from_quat(nodes[index].rotation or [0, 0, 0, 1]).as_matrix()
            local[:3, 3] = nodes[index].translation or 0
            worlds[index] = parent @ local
            for child in nodes[index].children or []:
                descend(child, worlds[index])

        for root in self.gltf.scenes[0].nodes:
            descend(root, np.eye(4))
        bind = self.array(self.skin.inverseBindMatrices).reshape(-1, 4, 4).transpose(0, 2, 1)
        return np.stack([worlds[node] for node in self.skin.joints]) @ bind

    def posed(self, without: tuple[str, ...] = ()) -> np.ndarray:
        vertices = self.attribute("POSITION").astype(float)
        for name, weight in zip(self.names, self.mesh.weights, strict=True):
            vertices += weight * self.target(name) * (name not in without)
        matrices = self.joint_matrices()[self.attribute("JOINTS_0")]
        blended = (matrices * self.attribute("WEIGHTS_0")[..., None, None]).sum(1)
        return np.einsum("vij,vj->vi", blended[:, :3, :3], vertices) + blended[:, :3, 3]


def split_pairs(head: HeadData) -> np.ndarray:
    """The (vertex, texture vertex) that each vertex of the GLB was before the seams were split."""
    pairs = np.stack([head.triangles, head.texture_triangles], -1).reshape(-1, 2)
    return np.unique(pairs, axis=0)


def original_vertices(head: HeadData) -> np.ndarray:
    return split_pairs(head)[:, 0]


def write(path: Path, model: HeadModel, parameters: Parameters, normal_map: np.ndarray | None = None) -> Glb:
    texture = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    write_glb(path, model, parameters, texture, normal_map)
    return Glb(path)


def person(model: HeadModel) -> Parameters:
    random = torch.Generator().manual_seed(3)
    neutral = model.neutral()
    return neutral.replace(shape=torch.randn(neutral.shape.shape, generator=random))


def photo_pose(model: HeadModel) -> Parameters:
    """Turned, jaw half open by its joint, eyes to the side, a few expressions; jawOpen itself at zero."""
    expression = torch.zeros(1, len(model.data.expression_names))
    for name, weight in {
        "mouthSmileLeft": 0.8,
        "browInnerUp": 0.5,
        "eyeBlinkRight": 1.2,
        "mouthLeft": -0.1,
    }.items():
        expression[0, model.data.expression_names.index(name)] = weight
    return person(model).replace(
        pose=torch.tensor([[0.1, -0.4, 0.05]]),
        neck=torch.tensor([[0.0, 0.1, 0.0]]),
        jaw=torch.tensor([[0.2, 0.01, 0.0]]),
        eyes=torch.tensor([[[0.0, 0.2, 0.0], [0.05, 0.2, 0.0]]]),
        expression=expression,
    )


@pytest.fixture(scope="module")
def model(small_head: HeadData) -> HeadModel:
    return HeadModel(small_head)


def test_opened_at_rest_the_base_mesh_is_the_person_at_rest(model: HeadModel, tmp_path: Path) -> None:
    parameters = at_rest(photo_pose(model))
    glb = write(tmp_path / "head.glb", model, parameters)
    rest = model(parameters).vertices[0].numpy()[original_vertices(model.data)]
    np.testing.assert_allclose(glb.attribute("POSITION"), rest, atol=1e-7)


@pytest.mark.parametrize("jaw", [0.05, 0.1, 0.3])
def test_opened_as_in_the_photo_the_base_mesh_is_nearly_the_person_at_rest(
    jaw: float, tmp_path: Path
) -> None:
    model = HeadModel(default_head())
    parameters = model.neutral().replace(jaw=torch.tensor([[jaw, 0.0, 0.0]]))
    glb = write(tmp_path / "head.glb", model, parameters)
    rest = model(at_rest(parameters)).vertices[0].numpy()[original_vertices(model.data)]
    assert np.linalg.norm(glb.attribute("POSITION") - rest, axis=1).max() < 0.003


@pytest.mark.parametrize("jaw", [-0.1, 0.0, 0.2, 0.6])
def test_the_jaw_told_as_an_action_is_the_same_jaw(jaw: float) -> None:
    model = HeadModel(default_head())
    before = model.neutral().replace(jaw=torch.tensor([[jaw, 0.02, -0.01]]))
    after = jaw_as_action(before, model.data)
    torch.testing.assert_close(model(after).vertices, model(before).vertices, atol=1e-7, rtol=0)
    opened = float(after.expression[0, model.data.expression_names.index("jawOpen")])
    assert (opened > 0) == (jaw > 0)
    assert opened <= 1
    if 0 < jaw < 0.3:
        assert float(after.jaw[0, 0]) == pytest.approx(0, abs=1e-3)


def test_opened_at_rest_nothing_moves(model: HeadModel, tmp_path: Path) -> None:
    glb = write(tmp_path / "head.glb", model, at_rest(photo_pose(model)))
    assert glb.names == list(model.data.expression_names)
    np.testing.assert_allclose(glb.posed(), glb.attribute("POSITION"), atol=1e-6)


def test_opened_as_in_the_photo_it_is_the_reconstruction(model: HeadModel, tmp_path: Path) -> None:
    parameters = photo_pose(model)
    glb = write(tmp_path / "head.glb", model, parameters)
    wanted = model(parameters).vertices[0].numpy()[original_vertices(model.data)]
    # Targets leave out movements below 0.01 mm, each by itself.
    assert np.linalg.norm(glb.posed() - wanted, axis=1).max() < 5e-5
    assert glb.names == list(model.data.expression_names)
    assert len(glb.names) == 52


def test_an_action_that_turns_its_joint_half_way_is_exact_too(model: HeadModel, tmp_path: Path) -> None:
    expression = torch.zeros(1, len(model.data.expression_names))
    expression[0, model.data.expression_names.index("jawOpen")] = 0.5
    parameters = person(model).replace(expression=expression)
    glb = write(tmp_path / "head.glb", model, parameters)
    wanted = model(parameters).vertices[0].numpy()[original_vertices(model.data)]
    assert np.linalg.norm(glb.posed() - wanted, axis=1).max() < 5e-5


@pytest.mark.parametrize("name", ["jawOpen", "mouthSmileLeft", "eyeBlinkRight"])
def test_a_target_is_the_whole_action_with_its_joint(model: HeadModel, tmp_path: Path, name: str) -> None:
    parameters = at_rest(person(model))
    glb = write(tmp_path / "head.glb", model, parameters)
    expression = torch.zeros_like(parameters.expression)
    expression[0, model.data.expression_names.index(name)] = 1
    wanted = model(parameters.replace(expression=expression)).vertices[0].numpy()
    moved = glb.attribute("POSITION") + glb.target(name)
    np.testing.assert_allclose(moved, wanted[original_vertices(model.data)], atol=1e-5)


def test_the_mouth_closes_on_the_open_jaw(model: HeadModel, tmp_path: Path) -> None:
    parameters = at_rest(person(model))
    glb = write(tmp_path / "head.glb", model, parameters)
    expression = torch.zeros_like(parameters.expression)
    for name in ("jawOpen", "mouthClose"):
        expression[0, model.data.expression_names.index(name)] = 1
    wanted = model(parameters.replace(expression=expression)).vertices[0].numpy()
    moved = glb.attribute("POSITION") + glb.target("jawOpen") + glb.target("mouthClose")
    np.testing.assert_allclose(moved, wanted[original_vertices(model.data)], atol=2e-5)


def test_normals_and_their_targets_are_those_of_the_moved_mesh(model: HeadModel, tmp_path: Path) -> None:
    glb = write(tmp_path / "head.glb", model, at_rest(person(model)))
    for target in (None, "jawOpen"):
        vertices, normals = glb.attribute("POSITION"), glb.attribute("NORMAL")
        if target:
            vertices, normals = vertices + glb.target(target), normals + glb.target(target, "NORMAL")
        # By area, over all copies of a vertex: the splits must not show.
        corners = vertices[glb.triangles()].astype(float)
        cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        original = original_vertices(model.data)
        summed = np.zeros((original.max() + 1, 3))
        for corner in range(3):
            np.add.at(summed, original[glb.triangles()[:, corner]], cross)
        wanted = (summed / np.linalg.norm(summed, axis=1, keepdims=True))[original]
        assert np.abs(normals - wanted).max() < 6e-3


def test_texture_coordinates_grow_downwards(model: HeadModel, tmp_path: Path) -> None:
    glb = write(tmp_path / "head.glb", model, person(model))
    wanted = model.data.texture_vertices[split_pairs(model.data)[:, 1]]
    np.testing.assert_allclose(glb.attribute("TEXCOORD_0") * [1, -1] + [0, 1], wanted, atol=1e-6)


def test_triangles_keep_their_corners(model: HeadModel, tmp_path: Path) -> None:
    glb = write(tmp_path / "head.glb", model, person(model))
    corners = split_pairs(model.data)[glb.triangles()]
    np.testing.assert_array_equal(corners, np.stack([model.data.triangles, model.data.texture_triangles], -1))


def test_the_pictures_inside_are_the_maps(model: HeadModel, tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.arange(0, 256, 8, dtype=np.uint8)[:, None, None], (32, 32, 3)).copy()
    normal_map = np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8)
    write_glb(tmp_path / "head.glb", model, person(model), ramp, normal_map)
    texture, normals = Glb(tmp_path / "head.glb").images()
    assert np.abs(texture.astype(int) - ramp).max() <= 4  # JPEG
    np.testing.assert_array_equal(normals, normal_map)


def test_the_tree_of_joints_has_their_names(model: HeadModel, tmp_path: Path) -> None:
    glb = write(tmp_path / "head.glb", model, person(model))
    nodes = glb.gltf.nodes
    assert [nodes[joint].name for joint in glb.skin.joints] == list(model.data.joint_names)
    children = {
        nodes[node].name: [nodes[c].name for c in nodes[node].children or []] for node in glb.skin.joints
    }
    assert children["root"] == ["neck"]
    assert children["neck"] == ["jaw", "left_eye", "right_eye"]
    extras = glb.gltf.asset.extras
    assert extras["unit"] == "metre"
    assert extras["headModel"]["licence"] == model.data.licence


def test_eyeballs_have_a_material_of_their_own(small_head: HeadData, tmp_path: Path) -> None:
    weights = small_head.skinning_weights.copy()
    weights[small_head.triangles[:4].reshape(-1)] = [0, 0, 0, 1, 0]
    model = HeadModel(replace(small_head, skinning_weights=weights))
    glb = write(tmp_path / "head.glb", model, person(model))
    assert [material.name for material in glb.gltf.materials] == ["skin", "eyes"]
    skin, eyes = (glb.array(primitive.indices).size // 3 for primitive in glb.mesh.primitives)
    assert eyes >= 4
    assert skin + eyes == len(small_head.triangles)


def test_several_faces_are_refused(model: HeadModel, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="hold 2 faces"):
        write(tmp_path / "head.glb", model, model.neutral(batch=2))
    assert not list(tmp_path.iterdir())


def test_a_rotation_of_half_a_turn_survives(model: HeadModel, tmp_path: Path) -> None:
    parameters = person(model).replace(pose=torch.tensor([[0.0, torch.pi, 0.0]]))
    glb = write(tmp_path / "head.glb", model, parameters)
    root = glb.gltf.nodes[glb.skin.joints[0]]
    wanted = axis_angle_to_matrix(parameters.pose)[0].numpy()
    np.testing.assert_allclose(Rotation.from_quat(root.rotation).as_matrix(), wanted, atol=1e-6)


def moving(model: HeadModel) -> Motion:
    """Half a second of a person who turns, smiles, opens the mouth by its joint, and looks aside."""
    rest = person(model)
    count = 6
    share = torch.linspace(0, 1, count)[:, None]
    expression = rest.expression.repeat(count, 1)
    expression[:, model.data.expression_names.index("mouthSmileLeft")] = 0.8 * share[:, 0]
    frames = rest.map(lambda values: values.expand(count, *values.shape[1:])).replace(
        expression=expression,
        pose=share * torch.tensor([0.1, 0.5, 0.0]),
        jaw=share * torch.tensor([0.2, 0.0, 0.0]),
        eyes=(share * torch.tensor([0.0, 0.2, 0.0]))[:, None].expand(-1, 2, -1),
    )
    return Motion(3 + np.arange(count) / 10, frames)


def test_a_motion_takes_every_vertex_where_the_head_model_does(model: HeadModel, tmp_path: Path) -> None:
    """The curves at each frame, put into the nodes as an engine does."""
    motion = moving(model)
    texture = np.zeros((16, 16, 3), np.uint8)
    write_glb(tmp_path / "moving.glb", model, person(model), texture, motion=motion)
    glb = Glb(tmp_path / "moving.glb")
    (animation,) = glb.gltf.animations
    times = glb.array(animation.samplers[0].input)[:, 0]
    assert times.tolist() == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    for frame in range(len(times)):
        for channel in animation.channels:
            values = glb.array(animation.samplers[channel.sampler].output)
            if channel.target.path == "weights":
                glb.mesh.weights = values.reshape(len(times), -1)[frame].tolist()
            else:
                setattr(glb.gltf.nodes[channel.target.node], channel.target.path, values[frame].tolist())
        wanted = model(motion.parameters[frame]).vertices[0].numpy()[original_vertices(model.data)]
        # Linear targets cannot turn a jaw part of its way, nor correct the skinning: a millimetre or two.
        distance = np.linalg.norm(glb.posed() - wanted, axis=1)
        assert distance.max() < 2.5e-3
        assert np.median(distance) < 4e-4


@pytest.mark.parametrize("posed", [False, True], ids=["neutral", "photo"])
@pytest.mark.parametrize("with_normal_map", [False, True], ids=["plain", "normal map"])
@pytest.mark.parametrize("moves", [False, True], ids=["still", "moving"])
def test_the_khronos_validator_finds_nothing(
    model: HeadModel, tmp_path: Path, posed: bool, with_normal_map: bool, moves: bool
) -> None:
    if not shutil.which("node") or not (BROWSER / "node_modules" / "gltf-validator").is_dir():
        pytest.skip(
            "the Khronos validator is not installed: install Node 20, then run `npm ci` in tests/browser"
        )
    parameters = photo_pose(model)
    flat = np.tile(np.array([128, 128, 255], np.uint8), (16, 16, 1)) if with_normal_map else None
    opening, texture = parameters if posed else at_rest(parameters), np.zeros((16, 16, 3), np.uint8)
    write_glb(tmp_path / "head.glb", model, opening, texture, flat, moving(model) if moves else None)
    ran = subprocess.run(
        ["node", str(BROWSER / "validate.mjs"), str(tmp_path / "head.glb")], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    issues = json.loads(ran.stdout)["issues"]
    assert issues["messages"] == []
