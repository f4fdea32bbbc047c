from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training_faces import training_config, write_faces

from deca.head.face_part import face_vertices
from deca.head.model import HeadModel
from deca.io.shards import ShardFolder
from deca.model.networks import DecaNetworks
from deca.parameters import Parameters
from deca.render.lighting import shade
from deca.training import supervised
from deca.training.batch import FaceBatch, Truth
from deca.training.coarse_stage import POINTS, CoarseStage, action_excess
from deca.training.config import ConfigError
from deca.training.data import FaceData
from deca.training.presets import RELEASED
from deca.training.stage import resized, weighted_sum
from deca.training.stages import loss_weights, make_networks, make_stage, silent_losses
from deca.training.supervised import TrueDistances

SIZE = 48
ALL = {name: 1.0 for name in ("landmarks", "dense_landmarks", "eyes", "lips", "photometric", "shape")}
TRUE = {
    name: 1.0
    for name in (
        "true_shape",
        "true_expression",
        "true_actions",
        "true_pose",
        "true_jaw",
        "true_eyes",
        "true_camera",
        "true_points",
        "true_albedo",
        "true_lighting",
    )
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("stages")
    write_faces(path / "faces", people=3, photos=2, truth=True)
    write_faces(path / "photos", people=3, photos=2, truth=False)
    return path


def first_batch(folder: Path, small_head, **changes) -> FaceBatch:
    config = training_config(folder, **changes).complete()
    return FaceData(config, [ShardFolder(path) for path in config.shards], small_head, SIZE)[0]


class Knowing(CoarseStage):
    """A coarse stage whose estimates are given to it."""

    known: Parameters

    def encode(self, batch):
        return self.known, None


def knowing(folder: Path, small_head, weights: dict[str, float], known: Parameters, **settings) -> Knowing:
    networks = make_networks(training_config(folder), small_head)
    stage = Knowing(networks, small_head, weights, 32, **settings)
    stage.known = known
    return stage


def values(stage: CoarseStage, batch: FaceBatch) -> dict[str, torch.Tensor]:
    return {name: term.values for name, term in stage.losses(batch, 0).items()}


def test_the_encoders_own_points_are_compared_with_those_that_are_known(folder, small_head):
    batch = first_batch(folder, small_head)
    stage = knowing(folder, small_head, {"encoder_points": 1.0}, batch.truth.parameters)
    own = batch.dense_landmarks[..., :2] + 0.02
    stage.encode = lambda batch: (stage.known, own)
    found = stage.losses(batch, 0)[POINTS]
    known = batch.dense_landmarks[..., 2].any(1)
    assert found.defined.equal(known)
    torch.testing.assert_close(found.values[known], torch.full_like(found.values[known], 0.02))


def test_the_truth_costs_next_to_nothing(folder, small_head):
    batch = first_batch(folder, small_head)
    stage = knowing(folder, small_head, ALL | TRUE | {"shape_consistency": 1.0}, batch.truth.parameters)
    found = values(stage, batch)
    assert set(found) == set(stage.weights)
    for name, value in found.items():
        if name == "shape":
            torch.testing.assert_close(value, batch.truth.parameters.shape.square().sum(1))
        else:
            # Pictures were stored as JPEG and cut once more.
            assert float(value.max()) < (0.02 if "photometric" in name else 1e-3), name


@pytest.mark.parametrize("name", sorted(TRUE))
def test_what_is_wrong_costs_in_its_own_term(folder, small_head, name):
    batch = first_batch(folder, small_head)
    true = batch.truth.parameters
    field = name.removeprefix("true_").replace("actions", "expression").replace("points", "pose")
    wrong = true.replace(**{field: getattr(true, field) + 0.1})
    found = values(knowing(folder, small_head, TRUE, wrong), batch)
    assert float(found[name].min()) > 1e-3
    for other in TRUE:
        if other not in (name, "true_points", "true_expression", "true_actions", "true_jaw", "true_pose"):
            assert float(found[other].max()) < 1e-4, other


def test_shapes_are_exchanged_inside_rings_and_only_they_change_there(folder, small_head):
    batch = first_batch(folder, small_head, batch_size=4, ring=2)
    true = batch.truth.parameters
    other = torch.randn(true.shape.shape, generator=torch.Generator().manual_seed(0))
    # The second photo of each ring has another shape: exchanged, the first has it.
    wrong = true.replace(shape=torch.where(torch.tensor([[False], [True]]).repeat(2, 1), other, true.shape))
    weights = {"landmarks": 1.0, "shape_consistency": 0.5}
    stage = knowing(folder, small_head, weights, wrong)
    found = values(stage, batch)
    assert stage.weights == {"landmarks": 1.0, "shape_consistency.landmarks": 0.5}
    assert (found["landmarks"] > 1e-3).tolist() == [False, True, False, True]
    assert (found["shape_consistency.landmarks"] > 1e-3).tolist() == [True, False, True, False]


def test_a_ring_of_one_exchanges_nothing(folder, small_head):
    batch = first_batch(folder, small_head, ring=1)
    wrong = batch.truth.parameters.replace(shape=batch.truth.parameters.shape + 1)
    found = values(knowing(folder, small_head, {"landmarks": 1.0, "shape_consistency": 1.0}, wrong), batch)
    assert found["landmarks"].equal(found["shape_consistency.landmarks"])


def test_terms_are_defined_where_something_is_known(folder, small_head):
    shards = {str(folder / "faces"): 1.0, str(folder / "photos"): 1.0}
    batch = first_batch(folder, small_head, shards=shards, batch_size=12)
    known = batch.truth.known
    assert 0 < int(known.sum()) < 12
    landmarks, skin = batch.landmarks.clone(), batch.skin.clone()
    landmarks[0], skin[1] = 0, 0
    batch = replace(batch, landmarks=landmarks, skin=skin, dense_landmarks=0 * batch.dense_landmarks)
    stage = make_stage(
        training_config(folder, losses={"dense_landmarks": 1.0, "true_pose": 1.0}),
        make_networks(training_config(folder), small_head),
        small_head,
    )
    defined = stage.defined(batch)
    assert set(defined) == set(stage.weights)
    rows = torch.arange(12)
    assert defined["landmarks"].equal(rows != 0)
    assert defined["shape_consistency.photometric"].equal(rows != 1)
    assert defined["true_pose"].equal(known)
    assert not defined["dense_landmarks"].any()
    assert defined["shape"].all()
    terms = stage.losses(batch, 0)
    for name, term in terms.items():
        assert term.values.isfinite().all(), name
        assert not term.values[~defined[name]].any(), name


def test_known_faces_are_not_drawn_where_that_is_not_wanted(folder, small_head):
    batch = first_batch(folder, small_head)
    stage = knowing(folder, small_head, ALL, batch.truth.parameters, draw_known=False)
    assert not stage.defined(batch)["photometric"].any()
    assert not values(stage, batch)["photometric"].any()


def test_the_released_code_draws_without_light_and_weighs_its_way(folder, small_head):
    batch = first_batch(folder, small_head)
    true = batch.truth.parameters
    known = true.replace(lighting=0 * true.lighting)
    released = values(knowing(folder, small_head, ALL | {"lighting": 1.0}, known, released=True), batch)
    lit = values(knowing(folder, small_head, ALL, known), batch)
    assert float(lit["photometric"].min()) > float(released["photometric"].max())
    torch.testing.assert_close(released["shape"], lit["shape"] / 2)
    assert not released["lighting"].any()


class Colours(torch.nn.Module):
    """A recognition network that knows people by the mean colour of their picture."""

    def forward(self, image, landmarks):
        return image.mean((2, 3)) - 0.2


def test_the_identity_loss_asks_the_network_of_photo_and_rendering(folder, small_head):
    batch = first_batch(folder, small_head)
    true = batch.truth.parameters
    weights = {"identity": 1.0}
    right = values(knowing(folder, small_head, weights, true, recognition=Colours()), batch)["identity"]
    blue = true.lighting * torch.tensor([0.1, 0.1, 2.0])
    wrong = knowing(folder, small_head, weights, true.replace(lighting=blue), recognition=Colours())
    assert float(right.max()) < 0.01
    assert float(values(wrong, batch)["identity"].min()) > 0.1
    assert "identity" not in knowing(folder, small_head, weights, true).weights


def test_a_step_teaches_the_coarse_encoder_and_nothing_else(folder, small_head):
    config = training_config(folder)
    networks = make_networks(config, small_head)
    stage = make_stage(config, networks, small_head)
    stage.train()
    assert networks.coarse_encoder.training
    assert not networks.detail_decoder.training
    batch = first_batch(folder, small_head)
    terms = stage.losses(batch, 0)
    counts = {name: float(term.defined.sum()) for name, term in terms.items()}
    total = weighted_sum(
        {name: term.values for name, term in terms.items()},
        {name: term.defined for name, term in terms.items()},
        counts,
        stage.weights,
    )
    mean = sum(stage.weights[name] * term.values.mean() for name, term in terms.items())
    torch.testing.assert_close(total, torch.as_tensor(mean))
    total.backward()
    for name, parameter in networks.named_parameters():
        learnt = parameter.grad is not None and bool(parameter.grad.any())
        assert learnt == name.startswith("coarse_encoder"), name


def test_resnet_begins_near_the_mean_face(folder, small_head):
    config = training_config(folder, backbone="resnet50")
    networks = make_networks(config, small_head)
    assert isinstance(networks, DecaNetworks)
    stage = make_stage(config, networks, small_head).eval()
    with torch.no_grad():
        found, _ = stage.encode(first_batch(folder, small_head, ring=1, batch_size=1))
    assert float((found.camera - torch.tensor([[8.0, 0.0, 0.0]])).abs().max()) < 0.2
    assert float(found.shape.abs().max()) < 0.2
    again = make_networks(config, small_head)
    assert again.coarse_encoder.outputs.weight.equal(networks.coarse_encoder.outputs.weight)


def test_weights_are_the_preset_s_but_for_those_that_are_given(folder):
    config = training_config(folder, losses={"landmarks": 3.0, "true_jaw": 0.5})
    weights = loss_weights(config)
    assert (weights["landmarks"], weights["photometric"], weights["true_jaw"]) == (3.0, 2.0, 0.5)
    assert loss_weights(replace(config, preset="released-code"))["lips"] == RELEASED.coarse.lips
    with pytest.raises(ConfigError, match="no loss 'landmark'; did you mean 'landmarks'"):
        loss_weights(replace(config, losses={"landmark": 1.0}))


def test_distances_are_those_of_vertices_texels_and_shading(small_head):
    model = HeadModel(small_head)
    distances = TrueDistances(small_head, model)
    rest = model.neutral(2)
    random = torch.Generator().manual_seed(1)
    moved = rest.map(lambda values: values + torch.randn(values.shape, generator=random))
    vertices = torch.einsum("fk,kvc->fvc", moved.shape - rest.shape, model.shape_basis)[
        :, face_vertices(small_head)
    ]
    expected = 1000 * vertices.square().sum(2).mean(1).sqrt()
    torch.testing.assert_close(distances.shape_distance(moved, rest), expected, rtol=1e-4, atol=1e-4)
    directions = torch.nn.functional.normalize(torch.randn(20000, 3, generator=random), dim=1)
    shades = torch.stack([shade(directions, light) for light in moved.lighting - rest.lighting])
    expected = shades.square().mean((1, 2)).sqrt()
    torch.testing.assert_close(distances.light_distance(moved, rest), expected, rtol=2e-2, atol=1e-3)
    assert float(distances.albedo_distance(rest, rest).max()) < 1e-4


def test_angles_are_exact_and_have_finite_derivatives():
    axis = torch.tensor([[0.0, 0.0, 0.0], [0.3, 0.0, 0.0], [0.0, 3.0, 0.0]])
    still = torch.zeros(3, 3, requires_grad=True)
    found = supervised.angle_between(still, axis)
    torch.testing.assert_close(found, torch.tensor([0.0, 0.3, 3.0]), atol=1e-4, rtol=0)
    found.sum().backward()
    assert still.grad is not None
    assert still.grad.isfinite().all()


def test_displacements_are_compared_in_deviations():
    true, deviations = torch.zeros(1, 1, 4, 4), torch.full((4, 4), 1e-3)
    true[0, 0, 0], deviations[0], deviations[3] = 1e-3, 0.5e-3, 0
    nothing = supervised.displacement_distance(torch.zeros_like(true), true, deviations)
    # A third of the texels that count is wrong by two deviations.
    torch.testing.assert_close(nothing, torch.tensor([4.0 / 3]))


def test_actions_beyond_their_range_cost():
    found = action_excess(torch.tensor([[0.0, 0.5, 1.0], [-0.3, 0.5, 1.6]]))
    torch.testing.assert_close(found, torch.tensor([0.0, 0.3]))


def test_pictures_shrink_by_means():
    image = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(
        resized(image, 4), image.unflatten(2, (4, 2)).unflatten(4, (4, 2)).mean((3, 5))
    )
    assert resized(image, 8).equal(image)
    assert resized(image, 12).shape == (1, 3, 12, 12)


def test_nothing_known_is_no_error(folder, small_head):
    batch = first_batch(folder, small_head, shards={str(folder / "photos"): 1.0})
    assert isinstance(batch.truth, Truth)
    assert not batch.truth.known.any()
    stage = make_stage(
        training_config(folder, losses=TRUE), make_networks(training_config(folder), small_head), small_head
    )
    terms = stage.losses(batch, 0)
    assert not any(terms[name].values.any() for name in TRUE)


def test_points_of_an_encoder_that_sees_none_are_said_to_be_off(folder):
    config = training_config(folder, losses={POINTS: 1.0, "identity": 0.0}).complete()
    assert not silent_losses(config)
    (line,) = silent_losses(replace(config, backbone="resnet50"))
    assert line == "the loss encoder_points is off: only the small backbone sees points itself"
