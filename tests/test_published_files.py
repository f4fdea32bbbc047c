"""Every published file is recognised, checked and converted; what contradicts itself is refused."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hostile_files import CHANGES, changed, flame_like
from hypothesis import given
from hypothesis import strategies as st
from parity_files import PARITY, loaders_folder, published_folder
from PIL import Image

from deca.conversion.asset import KINDS, AssetError
from deca.io.archives import open_archive
from deca.io.heads import write_head
from deca.io.published_files import read_published

FILES = {
    "generic_model.pkl": "flame",
    "landmark_embedding.npy": "flame-landmarks",
    "head_template.obj": "flame-template",
    "FLAME_albedo_from_BFM.npz": "albedo-bfm",
    "FLAME_texture.npz": "albedo-flame",
    "mean_texture.png": "mean-texture",
    "uv_face_mask.png": "uv-face-mask",
    "uv_face_eye_mask.png": "uv-face-eye-mask",
    "fixed_displacement_256.npy": "fixed-displacement",
    "texture_data_256.npy": "dense-template",
    "deca_model.tar": "deca-weights",
    "resnet50_ft_weight.pkl": "face-recognition",
    "vgg19.pth": "vgg19",
}


def stored(name: str) -> dict[str, np.ndarray]:
    """The compact arrays from which the set's published files were expanded."""
    with np.load(PARITY / "assets" / f"{name}.npz", allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def pickled(tmp_path: Path, content: object, name: str = "generic_model.pkl") -> Path:
    path = tmp_path / name
    path.write_bytes(pickle.dumps(content, 2))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(AssetError) as caught:
        read_published(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", FILES)
def test_every_published_file_is_recognised(name):
    asset = read_published(published_folder() / name)
    assert asset.kind == asset.name == FILES[name]
    assert asset.kind in KINDS
    for array in asset.arrays.values():
        assert array.dtype in (np.float32, np.int64)
        assert np.isfinite(array).all()


@pytest.mark.parametrize(
    "name", ["model_numpy.pkl", "model_chumpy.pkl", "model_python2_chumpy.pkl", "model.npz"]
)
def test_flame_has_its_components_first(name):
    arrays = read_published(loaders_folder() / name).arrays
    with np.load(loaders_folder() / "expected.npz", allow_pickle=False) as expected:
        directions = expected["shapedirs"].transpose(2, 0, 1)
        np.testing.assert_array_equal(arrays["template_vertices"], expected["v_template"])
        np.testing.assert_array_equal(arrays["triangles"], expected["f"])
        np.testing.assert_array_equal(arrays["shape_basis"], directions[:300])
        np.testing.assert_array_equal(arrays["expression_basis"], directions[300:])
        np.testing.assert_array_equal(arrays["pose_basis"], expected["posedirs"].transpose(2, 0, 1))
        np.testing.assert_array_equal(arrays["joint_regressor"], expected["J_regressor"])
        np.testing.assert_array_equal(arrays["skinning_weights"], expected["weights"])
        np.testing.assert_array_equal(arrays["joint_parents"], expected["parents"])


def test_the_landmarks_are_those_of_the_file():
    arrays = read_published(published_folder() / "landmark_embedding.npy").arrays
    expected = stored("landmark_embedding")
    np.testing.assert_array_equal(arrays["contour_triangles"], expected["dynamic_lmk_faces_idx"])
    np.testing.assert_array_equal(arrays["contour_barycentrics"], expected["dynamic_lmk_bary_coords"])
    np.testing.assert_array_equal(arrays["landmark_triangles"], expected["static_lmk_faces_idx"])
    np.testing.assert_array_equal(arrays["full_landmark_triangles"], expected["full_lmk_faces_idx"][0])


@pytest.mark.parametrize(
    ("name", "compact", "mean", "basis", "white"),
    [
        ("FLAME_albedo_from_BFM.npz", "albedo_bfm", "MU", "PC", 1),
        ("FLAME_texture.npz", "albedo_flame", "mean", "tex_dir", 255),
    ],
)
def test_the_albedo_becomes_red_green_blue(name, compact, mean, basis, white):
    arrays = read_published(published_folder() / name).arrays
    numbers = stored(compact)
    blue_green_red = numbers[f"{mean}_int"] * float(numbers[f"{mean}_step"])
    np.testing.assert_allclose(arrays["mean"], blue_green_red[..., [2, 1, 0]] / white, atol=1e-7)
    for place, component in enumerate(numbers[f"{basis}_index"]):
        if component < 50:
            expected = numbers[f"{basis}_int"][..., place] * np.float32(numbers[f"{basis}_step"])
            np.testing.assert_allclose(
                arrays["basis"][component], expected[..., [2, 1, 0]] / white, rtol=1e-6, atol=1e-9
            )


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_flat_albedo_is_the_same_albedo(tmp_path, order):
    rng = np.random.default_rng(3)
    mean, basis = rng.uniform(size=(512, 512, 3)), rng.integers(-9, 9, (512, 512, 3, 51)).astype(np.int8)
    np.savez(tmp_path / "square.npz", MU=mean, PC=np.asarray(basis, order=order))
    np.savez(tmp_path / "flat.npz", MU=mean.reshape(1, -1), PC=np.asarray(basis.reshape(-1, 51), order=order))
    square, flat = (read_published(tmp_path / f"{name}.npz").arrays for name in ("square", "flat"))
    np.testing.assert_array_equal(square["basis"], np.moveaxis(basis[..., ::-1, :50], -1, 0))
    np.testing.assert_array_equal(flat["basis"], square["basis"])
    np.testing.assert_array_equal(flat["mean"], square["mean"])


def test_the_albedos_unused_components_take_no_memory():
    path = published_folder() / "FLAME_albedo_from_BFM.npz"
    tracemalloc.start()
    try:
        arrays = read_published(path).arrays
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2.5 * arrays["basis"].nbytes < path.stat().st_size


def test_maps_keep_the_files_numbers():
    folder = published_folder()
    mask = read_published(folder / "uv_face_mask.png").arrays["mask"]
    channels = np.asarray(Image.open(folder / "uv_face_mask.png"))
    np.testing.assert_array_equal(mask, channels[..., 0].astype(np.float32) / 255)
    assert (mask.min(), mask.max()) == (0, 1)
    displacement = read_published(folder / "fixed_displacement_256.npy").arrays["displacement"]
    np.testing.assert_array_equal(displacement, stored("fixed_displacement_256")["displacement"])


def test_the_dense_template_keeps_texels_and_corners():
    arrays = read_published(published_folder() / "texture_data_256.npy").arrays
    compact, head = stored("dense_template_256"), stored("head_model")
    assert arrays["size"] == 256
    np.testing.assert_array_equal(arrays["texel"], compact["valid_pixel_ids"])
    np.testing.assert_array_equal(arrays["corners"], head["f"][compact["valid_pixel_triangle"]])
    np.testing.assert_array_equal(arrays["triangles"], compact["f"])


@pytest.mark.parametrize("old", [True, False])
def test_other_keys_beside_the_networks_are_left_alone(tmp_path, old):
    networks = torch.load(published_folder() / "deca_model.tar", weights_only=True)
    optimiser = {"state": {0: {"exp_avg": torch.full((3,), torch.nan)}}, "param_groups": [{"lr": 1e-4}]}
    path = tmp_path / "deca_model.tar"
    torch.save({**networks, "opt": optimiser, "global_step": 7}, path, _use_new_zipfile_serialization=not old)
    original = read_published(published_folder() / "deca_model.tar").arrays
    arrays = read_published(path).arrays
    assert set(arrays) == set(original)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, original[name])


@pytest.mark.parametrize("old", [True, False])
def test_a_recognition_network_may_be_tensors(tmp_path, old):
    path = published_folder() / "resnet50_ft_weight.pkl"
    original = read_published(path).arrays
    tensors = {name: torch.from_numpy(array.copy()) for name, array in original.items()}
    torch.save(tensors, tmp_path / "resnet50.pkl", _use_new_zipfile_serialization=not old)
    asset = read_published(tmp_path / "resnet50.pkl")
    assert asset.kind == "face-recognition"
    np.testing.assert_array_equal(asset.arrays["conv1.weight"], original["conv1.weight"])


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.5, 0.99, 0.99999])
@pytest.mark.parametrize("old", [True, False])
def test_truncated_weights_are_refused(tmp_path, old, share):
    path = tmp_path / "deca_model.tar"
    tensors = {"E_flame": {"encoder.conv1.weight": torch.ones(64, 3, 7, 7)}}
    torch.save(tensors, path, _use_new_zipfile_serialization=not old)
    path.write_bytes(path.read_bytes()[: max(20, int(share * path.stat().st_size))])
    refusal(path)


def test_weights_without_a_network_say_which(tmp_path):
    path = tmp_path / "deca_model.tar"
    torch.save({"E_flame": {"encoder.conv1.weight": torch.ones(64, 3, 7, 7)}}, path)
    assert "E_detail, D_detail" in refusal(path)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_no_numbers_are_named(tmp_path, value):
    networks = torch.load(published_folder() / "deca_model.tar", weights_only=True)
    networks["D_detail"]["conv_blocks.2.weight"][0, 0, 0, 0] = value
    torch.save(networks, tmp_path / "deca_model.tar")
    assert "conv_blocks.2.weight" in refusal(tmp_path / "deca_model.tar")


def test_a_torch_file_that_unpacks_to_more_than_it_is_is_refused(tmp_path):
    path = tmp_path / "vgg19.pth"
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, path)
    bomb = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path) as good, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in good.namelist():
            if name.endswith("/data/0"):
                with packed.open(name, "w", force_zip64=True) as stream:
                    stream.write(bytes(2**26))
            else:
                packed.writestr(name, good.read(name))
    assert bomb.stat().st_size < 4e6
    assert "claims more than it holds" in refusal(bomb)


def test_a_tensor_larger_than_its_storage_is_refused(tmp_path):
    path = tmp_path / "vgg19.pth"
    torch.save({"features.0.weight": torch.zeros(1).expand(50_000, 50_000)}, path)
    assert "claims a tensor of shape (50000, 50000) in a storage of 1 numbers" in refusal(path)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("f", lambda array: array + 100, "f holds the index 10"),
        ("weights", lambda array: array * 2, "weights should sum to one and is off by 1"),
        ("v_template", lambda array: array * np.nan, "v_template holds a number that is not finite"),
        ("shapedirs", lambda array: array * 1e300, "shapedirs holds a number that is not finite"),
        ("shapedirs", lambda array: array[:, :, :150], "(6, 3, 150), expected (6, 3, 400)"),
        ("posedirs", lambda array: array[:5], "posedirs has shape (5, 3, 36), expected (6, 3, 36)"),
        ("kintree_table", lambda array: np.zeros((2, 24), int), "a body model of 24 joints"),
        ("kintree_table", lambda array: np.zeros((2, 5), int), "its joints hang on [0, 0, 0, 0, 0]"),
        ("J_regressor", lambda array: "none", "J_regressor holds <U4, not numbers"),
        ("posedirs", lambda array: None, "lacks posedirs; it holds J_regressor, f,"),
    ],
)
def test_a_flame_that_contradicts_itself_is_refused(
    tmp_path: Path, name: str, change: Callable[[np.ndarray], object], said: str
):
    arrays = flame_like()
    path = pickled(tmp_path, {**arrays, name: change(arrays[name])})
    assert said in refusal(path)


@pytest.mark.parametrize(
    ("path", "name", "version"),
    [
        ("FLAME2020/generic_model.pkl", "flame", "2020"),
        ("FLAME2020/female_model.pkl", "flame-female", "2020"),
        ("models/flame2023_male.pkl", "flame-male", "2023"),
        ("models/generic_model.pkl", "flame", "unknown"),
        ("20190412/generic_model.pkl", "flame", "unknown"),
    ],
)
def test_version_and_sex_are_what_the_name_says(tmp_path, path, name, version):
    (tmp_path / path).parent.mkdir()
    asset = read_published(pickled(tmp_path, flame_like(), path))
    assert (asset.name, asset.kind, asset.details["version"]) == (name, "flame", version)


def test_masks_keep_their_names(tmp_path):
    regions = {
        name: np.arange(place, 9) for place, name in enumerate(("face", "lips", "nose", "scalp", "neck"))
    }
    asset = read_published(pickled(tmp_path, regions, "FLAME_masks.pkl"))
    assert asset.kind == "flame-masks"
    for name, ids in regions.items():
        np.testing.assert_array_equal(asset.arrays[name], ids)


def test_our_own_head_files_are_heads(tmp_path, small_head):
    write_head(small_head, tmp_path / "mine.npz")
    asset = read_published(tmp_path / "mine.npz")
    assert (asset.name, asset.kind) == (small_head.name, "head")
    np.testing.assert_array_equal(asset.arrays["triangles"], small_head.triangles)


def test_an_npz_with_objects_is_refused(tmp_path):
    arrays: dict[str, np.ndarray] = flame_like()
    arrays["shapedirs"] = np.array([{}], object)
    np.savez(tmp_path / "flame.npz", allow_pickle=True, **arrays)
    assert "shapedirs is an object array" in refusal(tmp_path / "flame.npz")


def test_an_npz_that_unpacks_to_more_than_it_may_is_refused_before_it_does(tmp_path):
    path = tmp_path / "flame.npz"
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (75000000,), }"
    header = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + header.ljust(117) + b"\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("shapedirs.npy", header)
        with archive.open("v_template.npy", "w") as stream:
            stream.write(header)
            for _ in range(50):
                stream.write(bytes(12_000_000))
    tracemalloc.start()
    try:
        message = refusal(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "takes 600000000 bytes" in message
    assert peak < 2**24


def test_an_array_that_claims_more_than_is_there_is_refused(tmp_path):
    path = tmp_path / "flame.npz"
    np.savez(path, **flame_like())
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    entries["v_template.npy"] = entries["v_template.npy"].replace(b"(6, 3), }      ", b"(6000000, 3), }")
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    assert "v_template claims" in refusal(path)


def test_arrays_are_read_as_numpy_reads_them(tmp_path):
    arrays = {
        "doubles": np.arange(6.0).reshape(2, 3),
        "columns_first": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "text": np.array(["a", "head"]),
        "no_axes": np.array(3),
        "one_axis": np.arange(3, dtype=">i2"),
        "empty": np.zeros((0, 3), bool),
    }
    np.savez_compressed(tmp_path / "a.npz", allow_pickle=False, **arrays)
    with open_archive(tmp_path / "a.npz") as archive:
        assert set(archive.headers) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(archive.array(name), array)


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"PK\x03\x04 no archive", b"\x93NUMPY", b"\x80\x04K\x01.", b"\x89PNG", b"v 1 2", b"\x00"],
)
@pytest.mark.parametrize("suffix", [".npz", ".pkl", ".obj", ".png", ""])
def test_what_is_nothing_is_refused(tmp_path, content, suffix):
    path = tmp_path / f"head_template{suffix}"
    path.write_bytes(content)
    refusal(path)


@pytest.mark.parametrize("name", ["head_model", "landmark_embedding", "albedo_bfm"])
def test_the_sets_compact_files_are_no_published_files(name):
    path = PARITY / "assets" / f"{name}.npz"
    if not path.is_file():
        pytest.skip("the parity set is not there")
    message = refusal(path)
    assert "no published file" in message
    assert all(kind in message for kind in KINDS)


def test_a_picture_of_another_name_and_a_folder_are_refused(tmp_path):
    Image.new("RGB", (256, 256)).save(tmp_path / "me.png")
    assert "uv_face_mask, uv_face_eye_mask, mean_texture" in refusal(tmp_path / "me.png")
    Image.new("RGB", (25, 256)).save(tmp_path / "uv_face_mask.png")
    assert "25 x 256 pixels" in refusal(tmp_path / "uv_face_mask.png")
    assert "a folder" in refusal(tmp_path)


def saved_by_torch(old: bool) -> bytes:
    stream = io.BytesIO()
    content = {"features.0.weight": torch.ones(2, 3), "features.0.bias": torch.ones(2)}
    torch.save(content, stream, _use_new_zipfile_serialization=not old)
    return stream.getvalue()


def saved_by_numpy(save: Callable[..., None], *arrays: object, **named: object) -> bytes:
    stream = io.BytesIO()
    save(stream, *arrays, **named)
    return stream.getvalue()


SAVED = {
    "new.pth": saved_by_torch(old=False),
    "old.pth": saved_by_torch(old=True),
    "stored.npz": saved_by_numpy(np.savez, v_template=np.ones((2, 3)), shapedirs=np.ones((2, 3, 4))),
    "packed.npz": saved_by_numpy(np.savez_compressed, MU=np.ones((2, 3)), PC=np.ones((2, 3, 60))),
    "plain.npy": saved_by_numpy(np.save, np.ones((4, 3))),
    "wrapped.npy": saved_by_numpy(np.save, {"valid_pixel_ids": np.ones(3)}, allow_pickle=True),
}


@given(name=st.sampled_from(sorted(SAVED)), changes=CHANGES)
def test_any_change_of_a_file_gives_an_asset_or_a_refusal(tmp_path_factory, name, changes):
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(changed(SAVED[name], changes))
    try:
        asset = read_published(path)
    except AssetError:
        return
    assert asset.kind in KINDS


def test_hostile_files_leave_nothing_behind(tmp_path):
    paths = sorted(str(path) for path in loaders_folder().glob("hostile_*.pkl"))
    program = (
        "import sys\nfrom deca.io.published_files import read_published\n"
        "from deca.conversion.asset import AssetError\n"
        "for path in sys.argv[1:]:\n    try:\n        read_published(path)\n"
        "    except AssetError as error:\n        print(error)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program, *paths], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    lines = finished.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == paths
    assert not list(tmp_path.iterdir())
