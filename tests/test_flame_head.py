"""A head put together from FLAME's files: their arrays exactly, and what they lack in the right places."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from parity_files import published_folder
from parity_head import parity_head
from small_head import make_small_head

from deca.conversion.asset import KINDS, AssetError
from deca.conversion.flame_head import NEEDED, FlameParts, flame_head, with_counts
from deca.head.data import REGIONS, HeadData, HeadError
from deca.head.landmarks import HeadLandmarks
from deca.head.model import HeadModel
from deca.io.heads import default_head
from deca.io.published_files import read_published
from deca.photo.ibug import ibug68

LANDMARKS = [
    f"{part}_{what}"
    for part in ("landmark", "contour", "full_landmark")
    for what in ("triangles", "barycentrics")
]
OWN = ["template_vertices", "triangles", "shape_basis", "expression_basis", "pose_basis", "joint_regressor"]
OWN += ["skinning_weights", "joint_parents", *LANDMARKS]
UV = ["texture_vertices", "texture_triangles"]


def small_parts() -> dict[str, dict[str, np.ndarray]]:
    """The small head as if it had come in FLAME's files."""
    head = make_small_head()
    return {
        "flame": {name: getattr(head, name) for name in OWN if name not in LANDMARKS},
        "flame-landmarks": {name: getattr(head, name) for name in LANDMARKS},
        "flame-template": {name: getattr(head, name) for name in ("triangles", *UV)},
    }


def made(parts: dict[str, dict[str, np.ndarray]]) -> HeadData:
    return flame_head("flame", FlameParts("2020", parts), make_small_head())


@pytest.fixture(scope="module")
def published() -> HeadData:
    """The head of the parity set's published files, with what they lack from the shipped head."""
    files = [KINDS[kind].file for kind in (*NEEDED, "albedo-bfm")]
    assets = [read_published(published_folder() / file) for file in files]
    # As the store hands them out.
    parts = {
        asset.kind: {name: np.require(array, requirements="W") for name, array in asset.arrays.items()}
        for asset in assets
    }
    return flame_head("flame", FlameParts("2020", parts), default_head())


def test_the_files_arrays_are_the_heads_arrays():
    parts = small_parts()
    head = made(parts)
    for kind, arrays in parts.items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(getattr(head, name), array, err_msg=f"{kind}: {name}")
    assert (head.name, head.version) == ("flame", "2020")
    assert head.joint_names == ("root", "neck", "jaw", "left_eye", "right_eye")
    assert head.expression_names[:2] == ("expression_000", "expression_001")
    assert not head.expression_joint_rotations.any()
    for kind in parts:
        assert KINDS[kind].licence in head.licence
    assert KINDS["albedo-bfm"].licence not in head.licence


def test_what_is_missing_is_carried_over():
    """From the head itself, so it must come back: landmarks to a tenth of a millimetre, and regions."""
    source, head = make_small_head(), made(small_parts())

    def dense(data: HeadData) -> np.ndarray:
        corners = data.template_vertices[data.triangles[data.dense_landmark_triangles]]
        return (corners * data.dense_landmark_barycentrics[..., None]).sum(1)

    np.testing.assert_allclose(dense(head), dense(source), atol=1e-4)
    assert set(REGIONS) <= set(head.region_names)
    same = [(head.region(name) == source.region(name)).mean() for name in REGIONS]
    assert min(same) > 0.98


@pytest.mark.parametrize("kinds", [("albedo-bfm",), ("albedo-flame",)])
def test_albedo_is_the_files_own_where_it_is_there(kinds):
    random = np.random.default_rng(3)
    albedo = {
        "mean": random.uniform(size=(16, 16, 3)).astype(np.float32),
        "basis": random.normal(size=(5, 16, 16, 3)).astype(np.float32),
    }
    head = made({**small_parts(), **dict.fromkeys(kinds, albedo)})
    np.testing.assert_array_equal(head.albedo_mean, albedo["mean"])
    np.testing.assert_array_equal(head.albedo_basis, albedo["basis"])
    assert KINDS[kinds[0]].licence in head.licence


def test_masks_make_regions_of_the_triangles_inside_them():
    parts = small_parts()
    triangles = parts["flame"]["triangles"]
    masks = {
        "lips": np.unique(triangles[[3, 40]]),
        "eye_region": np.unique(triangles[7]),
        "left_eyeball": triangles[100],
        "right_eyeball": triangles[200],
        "left_ear": triangles[5],  # no right one: ears are carried over or left out
        "boundary": np.arange(10),
    }
    head = made({**parts, "flame-masks": masks})
    for name, marked in (
        ("lips", masks["lips"]),
        ("eyes", masks["eye_region"]),
        ("eyeballs", np.concatenate([masks["left_eyeball"], masks["right_eyeball"]])),
    ):
        expected = [set(triangle) <= set(marked.tolist()) for triangle in triangles.tolist()]
        np.testing.assert_array_equal(head.region(name), expected)
    without = made(parts)
    np.testing.assert_array_equal(head.region("nose"), without.region("nose"))
    assert "boundary" not in head.region_names


def _turned(triangles: np.ndarray) -> np.ndarray:
    return np.concatenate([triangles[1:], triangles[:1]])


@pytest.mark.parametrize(
    ("kind", "name", "change", "said"),
    [
        ("flame-template", "triangles", _turned, "its triangles join other vertices"),
        ("flame-template", "triangles", lambda array: array[:-1], "it has 395 triangles, the model 396"),
        ("flame-landmarks", "contour_triangles", lambda array: array + 390, "contour_triangles names"),
        ("flame-landmarks", "landmark_triangles", lambda array: array + 396, "landmark_triangles names"),
        ("flame-masks", "nose", lambda _: np.array([3, 200]), "nose names vertex 200 of 200"),
    ],
)
def test_files_of_another_version_or_topology_are_refused(kind, name, change, said):
    parts = {"flame-masks": {"nose": np.arange(3)}, **small_parts()}
    parts[kind] = {**parts[kind], name: change(parts[kind][name])}
    with pytest.raises(
        AssetError, match=rf"{kind} is for another FLAME version or topology.*{said}"
    ) as caught:
        made(parts)
    assert KINDS[kind].file in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_first_components_alone(small_head):
    fewer = with_counts(small_head, 4, 7)
    assert (len(fewer.shape_basis), len(fewer.expression_basis), len(fewer.expression_names)) == (4, 7, 7)
    same = small_head.shape_basis[:4], small_head.expression_basis[:7]
    np.testing.assert_array_equal(fewer.shape_basis, same[0])
    np.testing.assert_array_equal(fewer.expression_basis, same[1])
    neutral = HeadModel(fewer)(HeadModel(fewer).neutral()).vertices
    torch.testing.assert_close(neutral, HeadModel(small_head)(HeadModel(small_head).neutral()).vertices)


@pytest.mark.parametrize(
    ("shape", "expression", "said"),
    [
        (11, 1, "has 10 components of shape, 11 are wanted"),
        (1, 53, "has 52 components of expression, 53 are"),
    ],
)
def test_a_head_with_fewer_components_is_refused(small_head, shape, expression, said):
    with pytest.raises(HeadError, match=f"head 'small' {said}"):
        with_counts(small_head, shape, expression)


def test_published_files_make_the_head_that_the_figures_were_computed_with(published):
    """By another road: the parity set's compact arrays, read by the tests' own loader."""
    assert (len(published.shape_basis), len(published.expression_basis)) == (300, 100)
    counts = len(parity_head().shape_basis), len(parity_head().expression_basis)
    head = with_counts(published, *counts)
    for name in (*OWN, *UV):
        np.testing.assert_array_equal(getattr(head, name), getattr(parity_head(), name), err_msg=name)


def test_the_dense_landmarks_lie_where_the_68_are(published):
    """Eyes, nose and lips by FLAME's file, and by the dense points read off as iBUG's."""
    model = HeadModel(published)
    head = model(model.neutral())
    landmarks = HeadLandmarks(published)
    ours = ibug68(landmarks.dense(head)[0].numpy())[27:]
    distance = np.linalg.norm(ours - landmarks.full(head)[0].numpy()[27:], axis=1)
    assert distance.mean() < 0.001
    assert distance.max() < 0.003


def test_the_published_head_has_mirror_images_and_regions_of_both_sides(published):
    vertices = published.template_vertices
    assert set(REGIONS) <= set(published.region_names)
    middle = vertices[published.triangles].mean(1)
    for name in REGIONS:
        sides = middle[published.region(name), 0]
        assert 0.4 < (sides > 0).mean() < 0.6, name
    eyes = middle[published.region("eyeballs")]
    joints = published.joint_regressor @ vertices
    near = np.linalg.norm(eyes[:, None] - joints[None, 3:], axis=-1).min(1)
    assert near.max() < 0.02
