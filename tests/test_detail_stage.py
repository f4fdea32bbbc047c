from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training_faces import training_config, write_faces

from deca.io.shards import ShardFolder
from deca.model.detail_view import VIEW_CROP
from deca.training import supervised
from deca.training.batch import FaceBatch
from deca.training.config import ConfigError
from deca.training.data import FaceData
from deca.training.detail_stage import DetailStage
from deca.training.stage import weighted_sum
from deca.training.stages import crop_size, loss_weights, make_networks, make_stage

SIZE = 64
ALL = dict.fromkeys(("photometric", "mrf", "symmetry", "size", "true_displacement"), 1.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("detail")
    write_faces(path / "faces", people=2, photos=2, truth=True)
    write_faces(path / "photos", people=2, photos=2, truth=False)
    return path


def config_in(folder: Path, **changes):
    settings = {"stage": "detail", "initial_weights": "coarse.safetensors", "losses": {}, "batch_size": 4}
    return training_config(folder, **(settings | changes)).complete()


def first_batch(folder: Path, small_head, **changes) -> FaceBatch:
    config = config_in(folder, **changes)
    return FaceData(config, [ShardFolder(path) for path in config.shards], small_head, SIZE)[0]


class Brightness(torch.nn.Module):
    """Features of pictures: their own pixels, fewer."""

    def forward(self, image):
        return [torch.nn.functional.avg_pool2d(image, 4), torch.nn.functional.avg_pool2d(image, 8)]


class Given(DetailStage):
    """A detail stage whose coarse faces, codes and displacements are given to it."""

    def encode(self, batch):
        return self.known, None

    def _with_details(self, coarse, image):
        return coarse.parameters.replace(detail=self.codes)


class Copies(torch.nn.Module):
    """A decoder that makes of a code of 256 x 256 numbers the displacement that they are."""

    def forward(self, inputs):
        return inputs[:, -256 * 256 :].view(-1, 1, 256, 256)


def given(folder: Path, small_head, batch: FaceBatch, weights, displacement, **settings) -> Given:
    networks = make_networks(config_in(folder), small_head)
    networks.detail_decoder = Copies()
    stage = Given(networks, small_head, weights, 32, features=Brightness(), **settings)
    stage.known = batch.truth.parameters
    stage.codes = displacement.flatten(1)
    return stage


def shown(folder: Path, small_head, batch: FaceBatch) -> torch.Tensor:
    """The true displacement where the stage asks for it: at the texels that show it."""
    nothing = torch.zeros_like(batch.truth.displacement)
    return given(folder, small_head, batch, ALL, nothing)._coarse(batch).true


def values(stage: DetailStage, batch: FaceBatch) -> dict[str, torch.Tensor]:
    return {name: term.values for name, term in stage.losses(batch, 0).items()}


def test_the_true_displacement_costs_nothing_and_another_does(folder, small_head):
    batch = first_batch(folder, small_head)
    true = shown(folder, small_head, batch)
    stage = given(folder, small_head, batch, ALL | {"consistency": 0.5}, true)
    found = values(stage, batch)
    assert set(found) == set(ALL) | {f"consistency.{name}" for name in ALL}
    assert stage.weights["consistency.mrf"] == 0.5
    assert not found["true_displacement"].any()
    torch.testing.assert_close(found["size"], true.abs().sum((1, 2, 3)))
    flat = values(given(folder, small_head, batch, ALL, 0 * true), batch)
    assert float(flat["true_displacement"].min()) > 0.01
    assert not flat["symmetry"].any()
    assert not flat["size"].any()


def test_pictures_tell_a_wrong_relief_from_the_one_that_was_drawn(folder, small_head):
    batch = first_batch(folder, small_head)
    flat = torch.zeros_like(batch.truth.displacement)
    rows = torch.arange(256.0)[:, None]
    ribbed = flat + 0.002 * torch.sin(rows)
    right = values(given(folder, small_head, batch, ALL, flat), batch)
    wrong = values(given(folder, small_head, batch, ALL, ribbed), batch)
    # The pictures of these faces are smooth.
    assert (wrong["photometric"] > 1.5 * right["photometric"]).all()
    assert wrong["mrf"].sum() > right["mrf"].sum()
    released = {
        name: values(given(folder, small_head, batch, ALL | {"roughness": 1.0}, relief, released=True), batch)
        for name, relief in (("right", flat), ("wrong", ribbed))
    }
    for name in ("photometric", "mrf", "roughness"):
        assert released["wrong"][name].sum() > released["right"][name].sum(), name


def test_details_are_exchanged_inside_rings(folder, small_head):
    batch = first_batch(folder, small_head)
    true = shown(folder, small_head, batch)
    # Both photos of a person have the same wrinkles here, but not quite at the same texels.
    size = supervised.displacement_distance(0 * true, true, 2e-4 * torch.ones(256, 256)).max()
    true[1] = 0
    found = values(
        given(folder, small_head, batch, {"true_displacement": 1.0, "consistency": 1.0}, true), batch
    )
    assert (found["true_displacement"] > 0).tolist() == [False, True, False, False]
    assert (found["consistency.true_displacement"] > 0.3 * size).tolist() == [True, False, False, False]


def test_true_displacement_is_asked_where_the_coarse_face_shows_it(folder, small_head):
    batch = first_batch(folder, small_head)
    stage = given(folder, small_head, batch, {"true_displacement": 1.0}, batch.truth.displacement)
    right = stage._coarse(batch)
    seen = right.true[0, 0][stage.skin[0, 0]]
    there = batch.truth.displacement[0, 0][stage.skin[0, 0]]
    assert float(torch.corrcoef(torch.stack([seen, there]))[0, 1]) > 0.9
    # A face that is taken to lie a little to the right finds each wrinkle at texels further left.
    aside = right.vertices_image + torch.tensor([0.05, 0, 0])
    moved = stage._shown_displacement(batch, aside)
    back = stage._shown_displacement(batch, right.vertices_image)
    columns = torch.arange(256.0)
    weights = (moved.abs() * stage.skin)[0, 0].sum(0), (back.abs() * stage.skin)[0, 0].sum(0)
    places = [(columns * weight).sum() / weight.sum() for weight in weights]
    assert places[0] < places[1] - 2


def test_symmetry_is_asked_of_the_skin_on_both_sides(folder, small_head):
    batch = first_batch(folder, small_head)
    one_sided = torch.zeros_like(batch.truth.displacement)
    one_sided[..., 100:110, 140:150] = 1e-3
    found = values(given(folder, small_head, batch, {"symmetry": 1.0}, one_sided), batch)["symmetry"]
    torch.testing.assert_close(found, torch.full((4,), 2 * 100 * 1e-3))
    both = one_sided + one_sided.flip(3)
    assert not values(given(folder, small_head, batch, {"symmetry": 1.0}, both), batch)["symmetry"].any()


def test_terms_are_defined_where_something_is_known(folder, small_head):
    shards = {str(folder / "faces"): 1.0, str(folder / "photos"): 1.0}
    batch = first_batch(folder, small_head, shards=shards, batch_size=8)
    assert 0 < int(batch.truth.known.sum()) < 8
    config = config_in(folder, losses={"true_displacement": 1.0}, draw_known=False)
    stage = make_stage(config, make_networks(config, small_head), small_head)
    defined = stage.defined(batch)
    assert defined["true_displacement"].equal(batch.truth.known)
    assert defined["consistency.photometric"].equal(~batch.truth.known)
    for name, term in stage.losses(batch, 0).items():
        assert term.values.isfinite().all(), name
        assert not term.values[~defined[name]].any(), name


@pytest.mark.parametrize("backbone", ["small", "resnet50"])
def test_a_step_teaches_the_detail_networks_and_nothing_else(folder, small_head, backbone):
    # ID-MRF on ResNet's maps takes seconds.
    losses = {"true_displacement": 1.0} | ({"mrf": 0.0} if backbone == "resnet50" else {})
    config = config_in(folder, losses=losses, backbone=backbone, batch_size=2)
    networks = make_networks(config, small_head)
    stage = make_stage(config, networks, small_head)
    stage.train()
    assert networks.detail_decoder.training
    assert not networks.coarse_encoder.training
    batch = first_batch(folder, small_head, batch_size=2)
    terms = stage.losses(batch, 0)
    # Without VGG-19, ID-MRF compares features of the coarse encoder.
    assert ("mrf" in terms) == (backbone == "small")
    before = {name: values.clone() for name, values in networks.coarse_encoder.state_dict().items()}
    total = weighted_sum(
        {name: term.values for name, term in terms.items()},
        {name: term.defined for name, term in terms.items()},
        {name: float(term.defined.sum()) for name, term in terms.items()},
        stage.weights,
    )
    total.backward()
    learnt = {name.split(".")[0] for name, values in networks.named_parameters() if values.grad is not None}
    assert learnt == {"detail_encoder", "detail_decoder"}
    assert all(values.grad.isfinite().all() for values in networks.detail_decoder.parameters())
    assert all(before[name].equal(values) for name, values in networks.coarse_encoder.state_dict().items())


def test_pictures_show_the_photo_the_surface_and_the_rendering(folder, small_head):
    batch = first_batch(folder, small_head, batch_size=2)
    config = config_in(folder)
    stage = make_stage(config, make_networks(config, small_head), small_head).eval()
    found = stage.pictures(batch)
    assert list(found) == ["input", "coarse", "clay", "rendering"]
    for image in found.values():
        assert image.shape == (2, 3, SIZE, SIZE)
        assert 0 <= float(image.min()) <= float(image.max()) <= 1


def test_the_small_networks_see_more_of_a_photo_for_its_detail(folder, small_head):
    config = config_in(folder)
    networks = make_networks(config, small_head)
    assert crop_size(config, networks) == VIEW_CROP
    assert crop_size(replace(config, stage="coarse"), networks) == 192
    assert crop_size(replace(config, image_size=100), networks) == 100


def test_weights_are_those_of_the_detail_losses(folder):
    config = config_in(folder, losses={"mrf": 0.0})
    assert loss_weights(config)["mrf"] == 0
    assert loss_weights(config)["size"] == 0.005
    with pytest.raises(ConfigError, match="stage detail has no loss 'landmarks'"):
        loss_weights(replace(config, losses={"landmarks": 1.0}))
