"""Landmarks of reconstructed heads: against manual points of london, against the detector on congress; by
skin tone."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Float

from deca.head.landmarks import HeadLandmarks
from deca.parameters import Parameters
from deca.photo.crop import Crop
from deca.photo.faces import FoundFace
from deca.photo.sampling import Photo
from deca.render.camera import crop_to_photo, project
from figures.methods import Method
from figures.neutral import default_data, head_model
from figures.people import PLACES, Person, held_back_photos, london

_OUTER_EYES = (36, 45)
# Points of the dense network on the cheeks and the forehead, where hair and beard are rare.
_SKIN = (50, 280, 101, 330, 118, 347, 36, 266, 151, 108, 337)
# Individual typology angle, degrees: the least of each group (Del Bino and Bernerd 2013).
TONES = {"very light": 55.0, "light": 41.0, "intermediate": 28.0, "tan": 10.0, "brown": -30.0, "dark": -90.0}


def measure_london(method: Method) -> dict[str, float]:
    """Mean error of the 14 places with manual points, by photo of the neutral people."""
    places = list(PLACES)
    errors = {}
    for person in london("neutral"):
        photo, found = person.photo(), _found(person)
        points = head_landmarks(*method.encode(person.key, photo, found))[places]
        truth = person.manual_points()
        width = np.linalg.norm(np.subtract(*truth[[places.index(point) for point in _OUTER_EYES]]))
        errors[person.key] = float(100 * np.linalg.norm(points - truth, axis=1).mean() / width)
    return errors


def measure_congress(method: Method) -> dict[str, float]:
    """Mean distance from the 68 points that the detector's network finds, by photo where it finds a face."""
    errors = {}
    for person in held_back_photos("congress"):
        found = person.found()
        if found is None:
            continue
        points = head_landmarks(*method.encode(person.key, person.photo(), found))
        seen = found.ibug68[:, :2]
        width = np.linalg.norm(np.subtract(*seen[list(_OUTER_EYES)]))
        errors[person.key] = float(100 * np.linalg.norm(points - seen, axis=1).mean() / width)
    return errors


def tone_groups(errors: dict[str, float]) -> dict[str, list[float]]:
    """The errors by the skin's tone as it is in the photo; grey photos have none and are left out."""
    groups: dict[str, list[float]] = {name: [] for name in TONES}
    for person in (*london("neutral"), *held_back_photos("congress")):
        if person.key in errors and person.note != "grey":
            angle = typology_angle(skin_colour(person.photo(), _found(person)))
            name = next(name for name, least in TONES.items() if angle >= least)
            groups[name].append(errors[person.key])
    return groups


@torch.no_grad()
def head_landmarks(crop: Crop, parameters: Parameters) -> Float[np.ndarray, "68 2"]:
    """The 68 landmarks of the head, in pixels of the photo."""
    points = HeadLandmarks(default_data())(head_model()(parameters))
    points_image = project(points, parameters.camera).double()
    return crop_to_photo(points_image, torch.from_numpy(crop.T_photo_crop)[None], crop.size)[0].numpy()


def skin_colour(photo: Photo, found: FoundFace) -> Float[np.ndarray, "3"]:
    """The middle colour of cheeks and forehead, sRGB in [0, 1]."""
    points = found.dense468[list(_SKIN), :2].round().astype(int)
    around = np.stack(np.meshgrid([-2, 0, 2], [-2, 0, 2]), -1).reshape(-1, 2)
    columns, rows = np.moveaxis((points[:, None] + around).reshape(-1, 2), 1, 0)
    height, width = photo.shape[:2]
    return np.median(photo[rows.clip(0, height - 1), columns.clip(0, width - 1)], axis=0) / 255


def typology_angle(colour: Float[np.ndarray, "3"]) -> float:
    """Individual typology angle of a colour of skin, degrees: arctan((L* - 50) / b*); large is light."""
    lightness, _, yellow = cv2.cvtColor(colour.astype(np.float32)[None, None], cv2.COLOR_RGB2Lab)[0, 0]
    return float(np.rad2deg(np.arctan2(lightness - 50, max(yellow, 1e-6))))


def _found(person: Person) -> FoundFace:
    found = person.found()
    if found is None:
        raise SystemExit(f"{person.file}: no face found")
    return found
