"""The released crops against the reference's numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from parity_head import agrees, crop_record, parity_picture, stage

from deca.photo.crop import Crop, crop_image, landmark_crop
from deca.photo.released_crop import (
    integer_centred,
    plain_crop_image,
    points_box,
    released_detection_crop,
    released_landmark_crop,
    released_landmarks,
    released_now_crop,
    released_training_crop,
    released_whole_crop,
)


def _photo(key: str) -> np.ndarray:
    return parity_picture(f"photos/{crop_record(key)['photo']}")


def _crop(key: str) -> Crop:
    record = crop_record(key)
    size = record["crop_size"]
    if record["box"] is None:
        return released_whole_crop(*_photo(key).shape[:2], size)
    # The reference counts from the first pixel's centre.
    box = np.array(record["box"]) + 0.5
    if key == "now_crop":
        return released_now_crop(box, size)
    kind = {"kpt68": released_landmark_crop, "bbox": released_detection_crop}[record["type"]]
    return kind(box, size, record["scale"])


KEYS = [
    "crop0",
    "crop1",
    "crop2",
    "extra_box_leaves_image",
    "extra_whole_image",
    "extra_scale_16",
    "now_crop",
]


@pytest.mark.parametrize("key", KEYS)
def test_crops_agree(key: str) -> None:
    image = plain_crop_image(_photo(key), _crop(key))[0]
    agrees(key, image, stage("01_crop")[key], 2e-5)


@pytest.mark.parametrize("key", KEYS[:-1])
def test_maps_agree(key: str) -> None:
    name = f"{key}_tform" if key.startswith("extra_") else key.replace("crop", "tform")
    expected = stage("01_crop")[name]
    agrees(name, torch.from_numpy(integer_centred(_crop(key))).float(), expected, 1e-6)


def test_training_crops_agree() -> None:
    figures = stage("01_crop")
    photo = _photo("train_crop")
    landmarks_photo = figures["train_landmarks_photo"].double().numpy() + 0.5
    shift = figures["train_shift"].double().numpy()
    crop = released_training_crop(points_box(landmarks_photo), float(figures["train_scale"]), shift, 64)
    agrees("train_crop", plain_crop_image(photo, crop)[0], figures["train_crop"], 2e-5)
    x, y, a, b = figures["train_mask_ellipse"].tolist()
    row, column = np.mgrid[: photo.shape[0], : photo.shape[1]]
    inside = ((column - x) / a) ** 2 + ((row - y) / b) ** 2 < 1
    mask = plain_crop_image(np.repeat(inside[..., None], 3, 2).astype(np.uint8) * 255, crop)
    agrees("train_mask", mask[0, 0], figures["train_mask"], 1e-4)
    landmarks = torch.from_numpy(released_landmarks(landmarks_photo, crop)).float()
    agrees("train_landmarks", landmarks, figures["train_landmarks"][:, :2], 5e-7)
    assert (figures["train_landmarks"][:, 2] == 1).all()


def test_the_default_crop_shows_the_same_square() -> None:
    """The default differs by the cut to whole pixels and by where the outer pixels' centres lie: by less than
    one of its pixels."""
    record = crop_record("crop0")
    left, top, right, bottom = np.array(record["box"]) + 0.5
    corners = np.array([[left, top], [right, bottom]])
    default = landmark_crop(np.concatenate([corners, np.repeat(corners[:1], 66, 0)]), 224)
    released = _crop("crop0")
    outline = np.array([[0, 0, 1], [224, 0, 1], [0, 224, 1.0]]).T
    moved = default.T_crop_photo @ released.T_photo_crop @ outline - outline
    assert 0.1 < np.abs(moved).max() < 1
    # Smoothed or not, it is the same picture.
    difference = crop_image(_photo("crop0"), default)[0] - stage("01_crop")["crop0"]
    assert difference.abs().mean() < 0.02
