from __future__ import annotations

import numpy as np
import torch

from deca.head.face_part import face_part, face_vertices
from deca.head.landmarks import HeadLandmarks
from deca.head.model import HeadModel


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
