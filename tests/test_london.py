"""The reconstructed landmarks against manually placed points of people in photographs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from deca.apps.reconstruct import Reconstructor
from deca.io.images import read_photo
from deca.io.networks import face_detector, face_landmarker
from deca.photo.faces import find_faces
from deca.render.camera import crop_to_photo, project

PHOTOS = Path(__file__).parents[1].parent / "shared" / "photos" / "london"
# iBUG index -> index of the manual outline's point at exactly the same place.
IBUG = [8, 33, 36, 39, 42, 45, 48, 50, 51, 52, 54, 57, 62, 66]
OUTLINE = [129, 55, 18, 22, 23, 27, 87, 89, 90, 91, 93, 106, 96, 101]

pytestmark = pytest.mark.skipif(not PHOTOS.is_dir(), reason="the photographs of ../shared are not here")


def test_the_head_s_landmarks_lie_where_people_put_them():
    reconstructor = Reconstructor()
    deca, errors = reconstructor.deca, []
    for path in sorted(PHOTOS.glob("*_neutral.jpg"))[::8]:
        truth = np.array(json.loads(path.with_suffix(".points189.json").read_text()))[OUTLINE]
        (found,) = find_faces(read_photo(path), face_detector(), face_landmarker())
        crop, fit = reconstructor.geometry(found)
        points = project(deca.landmarks(deca.head_model(fit.parameters)), fit.parameters.camera).double()
        points = crop_to_photo(points, torch.from_numpy(crop.T_photo_crop)[None], crop.size)[0, IBUG].numpy()
        eyes = np.linalg.norm(truth[IBUG.index(36)] - truth[IBUG.index(45)])
        errors.append(100 * np.linalg.norm(points - truth, axis=1) / eyes)
    assert np.mean(errors) < 3.0
