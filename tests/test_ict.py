"""ICT-FaceKit as a head that can be posed: its own shapes come back, and the rig is anatomically right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from deca.conversion.asset import AssetError
from deca.conversion.facekit import ACTIONS, LANDMARKS, LOWER_TEETH, PARTS, SHAPES, VERTEX_COUNT
from deca.fitting.landmarks import fit_landmarks
from deca.fitting.trust import mirrored_texels
from deca.head.data import HeadData, head_data_from_arrays
from deca.head.landmarks import HeadLandmarks
from deca.head.model import HeadModel
from deca.head.uv import UVLayout
from deca.io.facekit_files import is_facekit, read_facekit
from deca.io.heads import default_head
from deca.parameters import Parameters
from deca.render.camera import project

KIT = Path(__file__).parents[1].parent / "shared" / "heads" / "ict_facekit.npz"
pytestmark = pytest.mark.skipif(not KIT.is_file(), reason="the ICT-FaceKit heads are not in ../shared")
CENTIMETRE = 0.01
# Places of the dense network that are places of the 68, too: corners of eyes and mouth, tip of the nose.
SAME = {33: 36, 133: 39, 362: 42, 263: 45, 61: 48, 291: 54, 4: 30}


@pytest.fixture(scope="module")
def kit() -> dict[str, np.ndarray]:
    with np.load(KIT, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


@pytest.fixture(scope="module")
def head() -> HeadData:
    asset = read_facekit(KIT)
    assert (asset.name, asset.kind) == ("ict", "head")
    return head_data_from_arrays(asset.arrays, "ict")


@pytest.fixture(scope="module")
def model(head: HeadData) -> HeadModel:
    return HeadModel(head)


@pytest.fixture(scope="module")
def kept() -> np.ndarray:
    """The vertices of ICT-FaceKit that the head keeps."""
    return np.concatenate([np.arange(first, end) for first, end in PARTS.values()])


def acting(model: HeadModel, **actions: float) -> Parameters:
    expression = torch.zeros(1, len(model.data.expression_names))
    for name, value in actions.items():
        expression[0, model.data.expression_names.index(name)] = value
    return model.neutral().replace(expression=expression)


def moves(model: HeadModel, parameters: Parameters) -> np.ndarray:
    return model(parameters).vertices[0].numpy() - model.data.template_vertices


def shape(kit: dict[str, np.ndarray], kept: np.ndarray, *names: str) -> np.ndarray:
    rows = [kit["expression_names"].tolist().index(name) for name in names]
    return kit["expression_deltas"][rows].sum(0)[kept] * CENTIMETRE


def test_its_constants_are_those_of_the_file(kit):
    np.testing.assert_array_equal(LANDMARKS, kit["landmark68"])
    regions = dict(zip(kit["region_names"].tolist(), kit["region_vertex_ranges"].tolist(), strict=True))
    ours = {"left_eyeball": "sclera_left", "right_eyeball": "sclera_right"} | {
        f"{side}_eye_socket": f"eye_socket_{side}" for side in ("left", "right")
    }
    for name, bounds in PARTS.items():
        assert list(bounds) == regions[ours.get(name, name)]
    assert set(SHAPES) == set(kit["expression_names"][kit["expression_in_config"]].tolist())


def test_actions_have_arkits_names(head):
    assert set(default_head().expression_names) - set(head.expression_names) == {"tongueOut"}
    assert set(head.expression_names) <= set(default_head().expression_names)


def test_the_neutral_head_and_its_identities_are_the_published_ones(head, kit, kept):
    moved = head.template_vertices - kit["neutral"][kept] * CENTIMETRE
    np.testing.assert_allclose(moved, np.tile(moved[:1], (len(moved), 1)), atol=1e-6)
    assert moved[0, 0] == pytest.approx(0, abs=1e-7)
    np.testing.assert_allclose(
        head.shape_basis, kit["identity_deltas"][:, kept] * np.float32(0.01), atol=1e-8
    )


def test_every_action_at_one_is_the_published_shape(model, kit, kept):
    for name, shapes in ACTIONS.items():
        if name == "mouthClose":
            continue
        skin = kept < PARTS["head_and_neck"][1]
        found = moves(model, acting(model, **{name: 1.0}))
        np.testing.assert_allclose(found[skin], shape(kit, kept, *shapes)[skin], atol=2e-6, err_msg=name)


def test_the_jaws_joint_and_its_action_open_the_mouth_alike(model, kit, kept):
    row = model.data.expression_names.index("jawOpen")
    turn = model.data.expression_joint_rotations[row, model.data.joint_names.index("jaw")]
    by_joint = moves(model, model.neutral().replace(jaw=torch.from_numpy(turn)[None]))
    np.testing.assert_allclose(by_joint, shape(kit, kept, "jawOpen"), atol=2e-6)
    by_action = moves(model, acting(model, jawOpen=1.0))
    np.testing.assert_allclose(by_action, by_joint, atol=1e-6)


def test_mouth_close_adds_to_the_open_jaw(model, kit, kept):
    found = moves(model, acting(model, jawOpen=1.0, mouthClose=1.0))
    np.testing.assert_allclose(found, shape(kit, kept, "jawOpen", "mouthClose"), atol=2e-6)


def test_half_open_the_jaw_is_on_an_arc_near_the_published_line(model, kit, kept):
    half = moves(model, acting(model, jawOpen=0.5))
    off = np.linalg.norm(half - shape(kit, kept, "jawOpen") / 2, axis=1)
    assert off.max() < 0.003


def test_lower_teeth_follow_the_jaw_and_upper_teeth_stay(head, kept):
    jaw = head.skinning_weights[:, head.joint_names.index("jaw")]
    lower = (kept >= LOWER_TEETH[0]) & (kept < LOWER_TEETH[1])
    upper = (kept >= PARTS["teeth"][0]) & (kept < LOWER_TEETH[0])
    assert jaw[lower].min() > 0.97
    assert jaw[upper].max() < 0.01
    scalp = np.unique(head.triangles[head.region("scalp")])
    assert jaw[scalp].mean() < 0.01
    assert jaw[scalp].max() < 0.1
    assert (head.skinning_weights >= 0).all()


def test_eyes_turn_about_their_centres_whoever_it_is(model, kept):
    data = model.data
    random = torch.Generator().manual_seed(3)
    someone = model.neutral().replace(shape=torch.randn(1, 100, generator=random))
    joints = model.rest_joints(someone)[0].numpy()
    vertices = model(someone).vertices[0].numpy()
    for name in ("left_eye", "right_eye"):
        first, end = PARTS[f"{name}ball"]
        ball = vertices[(kept >= first) & (kept < end)]
        middle = (ball.min(0) + ball.max(0)) / 2
        assert np.linalg.norm(joints[data.joint_names.index(name)] - middle) < 0.0005
    look = moves(model, acting(model, eyeLookOutLeft=1.0))
    first, end = PARTS["left_eyeball"]
    assert np.linalg.norm(look[(kept >= first) & (kept < end)], axis=1).max() > 0.002


def test_joints_lie_where_the_default_heads_do(head):
    default = default_head()
    joints = head.joint_regressor @ head.template_vertices
    own = default.joint_regressor @ default.template_vertices
    assert head.joint_names == default.joint_names
    assert np.linalg.norm(joints - own, axis=1).max() < 0.01
    np.testing.assert_allclose(head.joint_regressor.sum(1), 1, atol=1e-5)


def test_nothing_overlaps_in_the_map_and_the_face_mirrors_itself(head):
    layout = UVLayout(head, 1024)
    corners = head.texture_vertices[head.texture_triangles].astype(float)
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2
    assert corners.min() >= 0
    assert corners.max() <= 1
    assert areas.sum() == pytest.approx(float(layout.mask.float().mean()), rel=0.01)
    face = layout.region_mask("face")
    assert mirrored_texels(head, layout)[0, 0][face].mean() > 0.95


def test_dense_landmarks_lie_where_its_own_landmarks_are(head, kit):
    def places(name: str) -> np.ndarray:
        corners = head.template_vertices[head.triangles[getattr(head, f"{name}_triangles")]]
        return (corners * getattr(head, f"{name}_barycentrics")[..., None]).sum(1)

    shift = head.template_vertices[0] - kit["neutral"][0] * CENTIMETRE
    published = kit["neutral"][list(LANDMARKS)] * CENTIMETRE + shift
    np.testing.assert_allclose(places("landmark"), published[17:], atol=1e-5)
    off = np.linalg.norm(places("dense_landmark")[list(SAME)] - published[list(SAME.values())], axis=1)
    assert off.max() < 0.005
    skin = np.any([head.region(name) for name in ("face", "forehead", "scalp", "neck", "ears")], axis=0)
    assert skin[head.dense_landmark_triangles].mean() > 0.98


def test_a_face_of_the_head_is_fitted_from_its_own_landmarks(model):
    random = torch.Generator().manual_seed(5)
    truth = acting(model, mouthSmileLeft=0.6, mouthSmileRight=0.6, browInnerUp=0.4)
    truth = truth.replace(
        shape=0.7 * torch.randn(1, 100, generator=random),
        pose=torch.tensor([[0.05, 0.3, -0.02]]),
        jaw=torch.tensor([[0.15, 0.0, 0.0]]),
        camera=torch.tensor([[7.0, 0.0, 0.0]]),
    )
    points = dense_landmarks(model, truth)
    fit = fit_landmarks(model, project(points, truth.camera)[0, :, :2])
    assert fit.residual < 0.005
    assert float((fit.parameters.pose - truth.pose).norm()) < 0.05
    assert opening(dense_landmarks(model, fit.parameters)) == pytest.approx(opening(points), abs=0.0015)


def dense_landmarks(model: HeadModel, parameters: Parameters) -> torch.Tensor:
    return HeadLandmarks(model.data).dense(model(parameters))


def opening(landmarks: torch.Tensor) -> float:
    """Distance of the middles of the lips' inner rims, metres."""
    return float((landmarks[0, 13] - landmarks[0, 14]).norm())


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("neutral", lambda array: array[:-1], "neutral has shape"),
        ("neutral", lambda array: np.where(array > 14.5, np.nan, array), "not finite"),
        ("identity_deltas", lambda array: array[:99], "identity_deltas has shape"),
        ("triangles", lambda array: array + 1, "index 26719"),
        ("expression_names", lambda array: np.char.replace(array, "jawOpen", "jawShut"), "jawOpen"),
        ("expression_names", lambda array: array[:-1], "expression_deltas has shape"),
        ("uv", None, "lacks uv"),
    ],
)
def test_damaged_archives_are_refused(kit, tmp_path, name, change, message):
    arrays = dict(kit)
    if change is None:
        del arrays[name]
    else:
        arrays[name] = change(arrays[name])
    path = tmp_path / "kit.npz"
    np.savez(path, allow_pickle=False, **arrays)
    with pytest.raises(AssetError, match=message) as error:
        read_facekit(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_object_arrays_are_refused(kit, tmp_path):
    path = tmp_path / "kit.npz"
    np.savez(path, **{**kit, "uv": np.array([{}, None], object)}, allow_pickle=True)
    with pytest.raises(AssetError, match="object"):
        read_facekit(path)


def test_the_repositorys_folder_gives_the_same_head(head, kit, tmp_path):
    folder = write_folder(kit, tmp_path)
    assert is_facekit(tmp_path)
    assert is_facekit(folder)
    assert is_facekit(KIT)
    assert not is_facekit(folder / "generic_neutral_mesh.obj")
    found = head_data_from_arrays(read_facekit(tmp_path).arrays, "folder")
    np.testing.assert_array_equal(found.triangles, head.triangles)
    # Text has fewer digits; where the head then comes to lie is found by registration, which lets them grow.
    shift = (found.template_vertices - head.template_vertices).mean(0)
    assert np.abs(shift).max() < 2e-5
    np.testing.assert_allclose(found.template_vertices - shift, head.template_vertices, atol=1e-6)
    np.testing.assert_allclose(found.shape_basis[0], head.shape_basis[0], atol=2e-6)
    row = head.expression_names.index("mouthPucker")
    np.testing.assert_allclose(found.expression_basis[row], head.expression_basis[row], atol=2e-6)
    missing = folder / "identity000.obj"
    missing.unlink()
    with pytest.raises(AssetError, match=r"identity000\.obj"):
        read_facekit(folder)
    missing.write_text("v 1 2 3\n")
    with pytest.raises(AssetError, match=r"identity000\.obj: has 1 vertices"):
        read_facekit(folder)
    missing.write_text("v 1 2 x\n" * VERTEX_COUNT)
    with pytest.raises(AssetError, match=r"identity000\.obj"):
        read_facekit(folder)


def write_folder(kit: dict[str, np.ndarray], root: Path) -> Path:
    """The repository's layout with triangles, and with three shapes; all other shapes move nothing."""
    folder = root / "FaceXModel"
    folder.mkdir()

    def vertex_lines(vertices: np.ndarray) -> str:
        return "".join(f"v {x:.6f} {y:.6f} {z:.6f}\n" for x, y, z in vertices.tolist())

    texture = "".join(f"vt {u:.6f} {v:.6f}\n" for u, v in kit["uv"].tolist())
    corners = np.stack([kit["triangles"], kit["triangle_uv"]], -1) + 1
    faces = "".join(f"f {a}/{b} {c}/{d} {e}/{f}\n" for (a, b), (c, d), (e, f) in corners.tolist())
    still = folder / "generic_neutral_mesh.obj"
    neutral = vertex_lines(kit["neutral"])
    still.write_text(f"mtllib ICTFaceModelMaterial.mtl\n{neutral}{texture}usemtl M_Face\ns 1\n{faces}")
    plain = root / "plain.obj"
    plain.write_text(neutral)
    for name in (*(f"identity{number:03}" for number in range(100)), *SHAPES):
        (folder / f"{name}.obj").symlink_to(plain)
    changed = {"identity000": kit["identity_deltas"][0]}
    for name in ("jawOpen", "mouthClose", "mouthPucker"):
        changed[name] = kit["expression_deltas"][kit["expression_names"].tolist().index(name)]
    for name, deltas in changed.items():
        (folder / f"{name}.obj").unlink()
        (folder / f"{name}.obj").write_text(vertex_lines(kit["neutral"] + deltas.astype(np.float32)))
    return folder


def test_the_default_head_moves_as_it_does(head: HeadData) -> None:
    """35 of its actions come from this head: landmarks move alike, lower teeth with those of the jaw."""
    default = default_head()

    def moves(data: HeadData, action: str) -> np.ndarray:
        field = data.expression_basis[data.expression_names.index(action)]
        corners = field[data.triangles[data.dense_landmark_triangles]]
        return (corners * data.dense_landmark_barycentrics[..., None]).sum(1)

    own = ("jawOpen", "mouthClose", "tongueOut")
    carried = [name for name in default.expression_names if not name.startswith(("eye", *own))]
    teeth = np.unique(default.triangles[default.region("teeth")])
    lower_teeth = teeth[default.skinning_weights[teeth, default.joint_names.index("jaw")] > 0.5]
    assert len(carried) == 35
    for action in carried:
        there, here = moves(head, action), moves(default, action)
        assert np.linalg.norm(here - there) < 0.15 * np.linalg.norm(there), action
        moved = np.abs(default.expression_basis[default.expression_names.index(action)][lower_teeth]).max()
        assert (moved > 1e-3) == action.startswith("jaw")
