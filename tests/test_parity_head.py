"""The head model, its landmarks and the camera against the reference's numbers."""

from __future__ import annotations

import pytest
import torch
from parity_head import agrees, parity_head, stage
from torch import Tensor

from deca.geometry import axis_angle_to_matrix, matrix_to_axis_angle
from deca.head.landmarks import HeadLandmarks, contour_rows
from deca.head.model import HeadModel
from deca.head.released_detail import released_vertex_normals
from deca.parameters import Parameters
from deca.photo.released_crop import points_box
from deca.render.camera import image_to_pixels, project, to_photo_frame, transform_points


def _full_pose(model: HeadModel, full_pose: Tensor) -> Parameters:
    root, neck, jaw, left, right = full_pose.split(3, 1)
    eyes = torch.stack([left, right], 1)
    return model.neutral(len(full_pose)).replace(pose=root, neck=neck, jaw=jaw, eyes=eyes)


def _parameters(model: HeadModel, figures: dict[str, Tensor], prefix: str) -> Parameters:
    pose = figures[f"{prefix}pose"]
    eyes = pose.new_zeros(len(pose), 6) if prefix else figures["eye_pose"]
    return model.neutral(len(pose)).replace(
        shape=figures[f"{prefix}shape"],
        expression=figures[f"{prefix}exp"],
        pose=pose[:, :3],
        jaw=pose[:, 3:],
        eyes=eyes.unflatten(1, (2, 3)),
        camera=figures[f"{prefix}cam"],
    )


@pytest.mark.parametrize("prefix", ["", "enc_"])
def test_vertices_and_landmarks_agree(prefix: str) -> None:
    figures = stage("03_head")
    model, landmarks = HeadModel(parity_head()), HeadLandmarks(parity_head())
    parameters = _parameters(model, figures, prefix)
    head = model(parameters)
    sliding, fixed = landmarks(head), landmarks.full(head)
    seen = project(head.vertices, parameters.camera)
    for key, actual in {
        "verts": head.vertices,
        "landmarks2d_world": sliding,
        "landmarks3d_world": fixed,
        "landmarks2d": project(sliding, parameters.camera)[..., :2],
        "landmarks3d": project(fixed, parameters.camera),
        "trans_verts": seen[: len(figures[f"{prefix}trans_verts"])],
    }.items():
        agrees(f"{prefix}{key}", actual, figures[f"{prefix}{key}"], 1e-6)


def test_gradients_of_the_head_agree() -> None:
    """Of a sum over vertices, each coordinate weighed by the cosine of 0.37 times its place in the list, and
    over the landmarks, the fixed ones twice."""
    figures = stage("03_head")
    keys = ["shape", "exp", "pose", "eye_pose"]
    inputs = {key: figures[key].clone().requires_grad_() for key in keys}
    model, landmarks = HeadModel(parity_head()), HeadLandmarks(parity_head())
    head = model(_parameters(model, figures | inputs, ""))
    weights = torch.cos(0.37 * torch.arange(head.vertices[0].numel())).view_as(head.vertices[0])
    scalar = (head.vertices * weights).sum() + landmarks(head).sum() + 2 * landmarks.full(head).sum()
    agrees("scalar", scalar.detach(), figures["scalar"], 1e-6)
    for key, gradient in zip(keys, torch.autograd.grad(scalar, list(inputs.values())), strict=True):
        agrees(f"grad_{key}", gradient, figures[f"grad_{key}"], 2e-6)


def test_every_step_of_skinning_agrees() -> None:
    figures = stage("03_lbs")
    model = HeadModel(parity_head())
    full_pose = figures["full_pose"]
    codes = {"shape": figures["shape"], "expression": figures["exp"]}
    parameters = _full_pose(model, full_pose).replace(**codes)
    head, joints = model(parameters), model.rest_joints(parameters)
    turned, moved = head.joint_transforms[..., :3], head.joint_transforms[..., 3]
    relative = figures["relative_transforms"]
    agrees("v_shaped", model(model.neutral(5).replace(**codes)).vertices, figures["v_shaped"], 2e-7)
    agrees("joints", joints, figures["joints"], 5e-7)
    agrees("rotations", axis_angle_to_matrix(model.joint_rotations(parameters)), figures["rotations"], 5e-7)
    agrees("relative_transforms", head.joint_transforms, relative[:, :, :3], 5e-7)
    assert torch.equal(relative[:, :, 3], torch.tensor([0.0, 0, 0, 1]).expand(5, 5, 4))
    posed = (turned @ joints[..., None])[..., 0] + moved
    agrees("posed_joints", posed, figures["posed_joints"], 5e-7)
    agrees("verts", head.vertices, figures["verts"], 5e-7)


def test_contours_slide_alike() -> None:
    figures = stage("03_contour")
    model, landmarks = HeadModel(parity_head()), HeadLandmarks(parity_head())
    head = model(_full_pose(model, figures["full_pose"]))
    yaw = landmarks.yaw_degrees(head)
    agrees("yaw_degrees", yaw, figures["yaw_degrees"], 5e-7)
    rows = contour_rows(yaw)
    assert torch.equal(rows, figures["table_row"].long())
    data = parity_head()
    assert torch.equal(torch.from_numpy(data.contour_triangles)[rows], figures["faces_idx"].long())
    assert torch.equal(torch.from_numpy(data.contour_barycentrics)[rows], figures["bary"])


def test_rotations_agree() -> None:
    figures = stage("04_rotation_transform")
    rotations = axis_angle_to_matrix(figures["axis_angle"])
    agrees("rodrigues", rotations, figures["rodrigues"], 5e-7)
    agrees("axis_to_matrix", rotations, figures["axis_to_matrix"], 5e-7)
    agrees("matrix_to_axis", matrix_to_axis_angle(figures["rodrigues"]), figures["matrix_to_axis"], 1e-7)
    # A quaternion is the reference's way from one to the other; both of its ends are compared here.
    of_quaternions = axis_angle_to_matrix(figures["quaternion_to_axis"])
    agrees("quaternion_to_matrix", of_quaternions, figures["quaternion_to_matrix"], 5e-7)
    about_x, about_y, about_z = axis_angle_to_matrix(
        torch.diag_embed(torch.deg2rad(figures["angles_deg"]))
    ).unbind(1)
    agrees("angles_to_matrix", about_z @ about_y @ about_x, figures["angles_to_matrix"], 5e-7)


def test_the_yaw_of_a_rotation_agrees() -> None:
    figures = stage("04_rotation_transform")
    model, landmarks = HeadModel(parity_head()), HeadLandmarks(parity_head())
    axis_angle = figures["axis_angle"]
    rest = torch.zeros(len(axis_angle), 12)
    yaw = landmarks.yaw_degrees(model(_full_pose(model, torch.cat([axis_angle, rest], 1))))
    agrees("matrix_to_yaw", torch.deg2rad(yaw), figures["matrix_to_yaw"], 5e-7)


def test_the_camera_agrees() -> None:
    figures = stage("04_rotation_transform")
    # The reference's projection alone leaves y and z as they are; its next step turns them round.
    seen = project(figures["points_world"], figures["cam"]) * torch.tensor([1, -1, -1])
    agrees("orth_proj", seen, figures["orth_proj"], 5e-7)


def test_the_way_to_the_photo_agrees() -> None:
    figures = stage("04_rotation_transform")
    height, width = figures["photo_hw"].tolist()
    points = figures["points"]
    T = torch.linalg.inv(figures["crop_tform"])
    agrees("crop_tform_inverse_transposed", T.mT, figures["crop_tform_inverse_transposed"], 5e-7)
    moved = to_photo_frame(points[:1], T, 224, height, width)
    agrees("transform_to_photo", moved, figures["transform_to_photo"], 5e-7)


def test_points_are_transformed_alike() -> None:
    figures = stage("04_rotation_transform")
    points = figures["points"]
    # The reference takes transposed maps and never divides: their third column plays no part.
    T = figures["tform_random"].mT.clone()
    T[:, 2] = torch.tensor([0.0, 0, 1])
    unscaled = torch.cat([transform_points(T, points[..., :2]), points[..., 2:]], -1)
    agrees("transform_random_unscaled", unscaled, figures["transform_random_unscaled"], 5e-7)
    # Into a picture of 400 x 300 pixels.
    agrees("transform_random", to_photo_frame(points, T, 224, 300, 400), figures["transform_random"], 5e-7)


def test_boxes_of_points_agree() -> None:
    figures = stage("04_rotation_transform")
    pixels = image_to_pixels(figures["points"][..., :2], 224, 224).numpy()
    box = torch.stack([torch.from_numpy(points_box(face)).float() for face in pixels])
    low, high = box.split(2, 1)
    agrees("points_box_center", (low + high) / 2, figures["points_box_center"], 5e-7)
    agrees("points_box_size", (high - low).amax(1, keepdim=True), figures["points_box_size"], 5e-7)


def test_normals_of_loose_triangles_agree() -> None:
    figures = stage("04_rotation_transform")
    normals = [
        released_vertex_normals(vertices[None], triangles.long())[0]
        for vertices, triangles in zip(figures["soup_V"], figures["soup_F"], strict=True)
    ]
    agrees("soup_vertex_normals", torch.stack(normals), figures["soup_vertex_normals"], 5e-7)
