from __future__ import annotations

import numpy as np
import torch

from deca.fitting.eyes import eyeball, eyeball_vertices
from deca.geometry import vertex_normals
from deca.head.face_part import face_part, face_vertices, landmark_part
from deca.head.landmarks import HeadLandmarks
from deca.head.model import HeadModel
from deca.io.heads import default_head


def moved(model: HeadModel):
    """One head with everything moved."""
    random = torch.Generator().manual_seed(0)
    return model.neutral().map(lambda values: values + 0.3 * torch.randn(values.shape, generator=random))


def test_the_part_moves_as_the_whole_does(small_head):
    part = face_part(small_head)
    whole_model, part_model = HeadModel(small_head), HeadModel(part)
    whole, small = whole_model(moved(whole_model)), part_model(moved(part_model))
    torch.testing.assert_close(small.joint_transforms, whole.joint_transforms)
    kept = small_head.region("face")
    corners = torch.from_numpy(small_head.triangles[kept])
    part_corners = torch.from_numpy(part.triangles[part.region("face")])
    torch.testing.assert_close(small.vertices[:, part_corners], whole.vertices[:, corners])
    torch.testing.assert_close(
        small.vertices[:, face_vertices(part)], whole.vertices[:, face_vertices(small_head)]
    )


def test_the_part_has_the_landmarks_and_the_texture_of_the_whole(small_head):
    part = face_part(small_head)
    whole_model, part_model = HeadModel(small_head), HeadModel(part)
    whole, small = whole_model(moved(whole_model)), part_model(moved(part_model))
    for name in ("forward", "full", "dense"):
        found, expected = (
            getattr(HeadLandmarks(data), name)(head) for data, head in ((part, small), (small_head, whole))
        )
        torch.testing.assert_close(found, expected)
    assert len(part.template_vertices) < len(small_head.template_vertices)
    kept = small_head.region("face")
    np.testing.assert_array_equal(
        part.texture_triangles[part.region("face")], small_head.texture_triangles[kept]
    )


def test_what_tracking_looks_at_has_the_eyeballs_and_the_normals_of_the_whole():
    data = default_head()
    whole_model, part_model = HeadModel(data), HeadModel(landmark_part(data))
    parameters = moved(whole_model)
    whole, small = whole_model(parameters).vertices, part_model(parameters).vertices
    assert small.shape[1] < 0.6 * whole.shape[1]
    for name in ("left_eye", "right_eye"):
        assert eyeball_vertices(part_model, name).sum() == eyeball_vertices(whole_model, name).sum()
        centre, radius = eyeball(small, part_model, name)
        expected, expected_radius = eyeball(whole, whole_model, name)
        torch.testing.assert_close(centre, expected, atol=1e-5, rtol=0)
        assert abs(radius - expected_radius) < 1e-5
    found, wanted = (
        vertex_normals(vertices, model.triangles)[:, model.triangles[model.data.dense_landmark_triangles]]
        for vertices, model in ((small, part_model), (whole, whole_model))
    )
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)
