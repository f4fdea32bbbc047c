"""Photos on disk: every kind of picture file gives what a viewer shows, everything else a clear error."""

import io
import os
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from deca.io.files import data_file
from deca.io.images import MAX_PIXELS, PhotoError, read_photo

# Colours of a 2 x 3 picture, well apart, so that rows, columns and channels cannot be mixed up unnoticed.
COLOURS = np.array(
    [[[200, 30, 40], [20, 180, 60], [10, 50, 220]], [[90, 90, 90], [240, 240, 20], [0, 0, 0]]], np.uint8
)


def blocks(size=16):
    return np.repeat(np.repeat(COLOURS, size, 0), size, 1)


def png_of_size(width, height):
    """A PNG that claims a size and holds next to nothing."""

    def chunk(name, content):
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("name", "options", "tolerance"),
    [
        ("a.png", {}, 0),
        ("a.bmp", {}, 0),
        ("a.tiff", {}, 0),
        ("a.webp", {"lossless": True}, 0),
        ("a.jpg", {"quality": 98, "subsampling": 0}, 6),
    ],
)
def test_every_format_gives_the_same_pixels(tmp_path, name, options, tolerance):
    Image.fromarray(blocks()).save(tmp_path / name, **options)
    photo = read_photo(tmp_path / name)
    assert photo.dtype == np.uint8
    assert np.abs(photo.astype(int) - blocks()).max() <= tolerance


def test_heic(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif", reason="HEIC needs pillow-heif")
    pillow_heif.from_pillow(Image.fromarray(blocks(32))).save(tmp_path / "a.heic", quality=100, chroma=444)
    assert np.abs(read_photo(tmp_path / "a.heic").astype(int) - blocks(32)).max() <= 8


def test_heic_without_its_library_names_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(64))
    with pytest.raises(PhotoError, match="pip install pillow-heif"):
        read_photo(tmp_path / "a.heic")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path, orientation):
    upright = blocks()
    # What the camera stores so that a viewer, following the EXIF standard, shows it upright.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png"), upright)


def test_alpha_is_laid_on_white(tmp_path):
    alpha = np.zeros((*blocks().shape[:2], 1), np.uint8)
    alpha[:16] = 255
    alpha[16:, :16] = 51
    Image.fromarray(np.concatenate([blocks(), alpha], 2)).save(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png")
    np.testing.assert_array_equal(photo[:16], blocks()[:16])
    np.testing.assert_array_equal(photo[16:, 16:], 255)
    assert np.abs(photo[16:, :16].astype(float) - (0.2 * 90 + 0.8 * 255)).max() <= 1


def test_palette_with_a_transparent_colour(tmp_path):
    picture = Image.fromarray(blocks()).quantize(8)
    transparent = picture.getpixel((0, 0))
    picture.save(tmp_path / "a.png", transparency=transparent)
    photo = read_photo(tmp_path / "a.png")
    np.testing.assert_array_equal(photo[:16, :16], 255)
    assert np.abs(photo[:, 16:].astype(int) - blocks()[:, 16:]).max() <= 4


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_grey(tmp_path, mode):
    picture = Image.fromarray(blocks()).convert(mode)
    picture.save(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png")
    grey = np.asarray(picture.convert("L"))
    np.testing.assert_array_equal(photo, np.repeat(grey[..., None], 3, 2))


def test_cmyk(tmp_path):
    Image.fromarray(blocks()).convert("CMYK").save(tmp_path / "a.jpg", quality=98, subsampling=0)
    assert np.abs(read_photo(tmp_path / "a.jpg").astype(int) - blocks()).max() <= 8


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_are_scaled(tmp_path, suffix, channels):
    deep = np.linspace(0, 65535, 32 * 32 * channels).astype(np.uint16).reshape(32, 32, channels)
    cv2.imwrite(str(tmp_path / f"a{suffix}"), deep[..., ::-1])
    assert np.abs(read_photo(tmp_path / f"a{suffix}") - deep / 257).max() < 1


def test_float_grey_and_its_limits(tmp_path):
    values = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / "a.tiff")
    assert np.abs(read_photo(tmp_path / "a.tiff")[..., 0] - values * 255).max() <= 0.5
    Image.fromarray(values * 3).save(tmp_path / "b.tiff")
    with pytest.raises(PhotoError, match="grey values from 0 to 3"):
        read_photo(tmp_path / "b.tiff")


def test_colour_profile_is_carried_out(tmp_path):
    # sRGB with the primaries of red and green exchanged: what is stored as red is shown as green.
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"tXYZ", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"tXYZ", b"gXYZ", 1)
    Image.fromarray(blocks()).save(tmp_path / "a.png", icc_profile=swapped)
    assert np.abs(read_photo(tmp_path / "a.png").astype(int) - blocks()[..., [1, 0, 2]]).max() <= 3
    Image.fromarray(blocks()).save(tmp_path / "b.png", icc_profile=b"no profile")
    np.testing.assert_array_equal(read_photo(tmp_path / "b.png"), blocks())


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_animation_is_refused_and_a_single_frame_is_not(tmp_path, suffix):
    frames = [
        Image.fromarray(blocks()),
        Image.fromarray(blocks()[::-1].copy()),
        Image.fromarray(255 - blocks()),
    ]
    frames[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:], duration=40)
    with pytest.raises(PhotoError, match="an animation of 3 frames"):
        read_photo(tmp_path / f"a{suffix}")
    frames[0].save(tmp_path / f"b{suffix}", quality=95)
    assert read_photo(tmp_path / f"b{suffix}").shape == blocks().shape


def test_first_page_of_a_tiff(tmp_path):
    pages = [Image.fromarray(blocks()), Image.fromarray(255 - blocks())]
    pages[0].save(tmp_path / "a.tiff", save_all=True, append_images=pages[1:])
    np.testing.assert_array_equal(read_photo(tmp_path / "a.tiff"), blocks())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty \\(0 bytes\\)"),
        (b"It was a dark and stormy night.", "not a picture file"),
        (png_of_size(30_000, 30_000), "more than 178 megapixels; at most 100 megapixels"),
        (png_of_size(10_001, 10_000), f"10001 x 10000 pixels; at most {MAX_PIXELS // 10**6} megapixels"),
        (png_of_size(400, 400), "damaged or cut short"),
    ],
)
def test_what_is_no_photo_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "me.png"
    path.write_bytes(content)
    with pytest.raises(PhotoError, match=message) as raised:
        read_photo(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tiff"])
def test_truncated_file(tmp_path, suffix):
    path = tmp_path / f"me{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(PhotoError, match=r"me.*(damaged|not a picture)"):
        read_photo(path)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.jpg: no such photo"):
        read_photo(tmp_path / "gone.jpg")
    with pytest.raises(PhotoError, match="a folder"):
        read_photo(tmp_path)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read every file")
def test_unreadable_file(tmp_path):
    path = tmp_path / "me.jpg"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(PhotoError, match="cannot be read"):
        read_photo(path)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), kind=st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]))
def test_damaged_bytes_give_a_photo_or_a_photo_error(tmp_path_factory, data, kind):
    stream = io.BytesIO()
    Image.fromarray(blocks(4)).save(stream, kind)
    content = bytearray(stream.getvalue())
    for position in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
        content[position] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "me"
    path.write_bytes(content)
    try:
        photo = read_photo(path)
    except PhotoError as error:
        message = str(error)
    else:
        message = f"{path}"
        assert photo.dtype == np.uint8
        assert photo.shape[2] == 3
    assert message.startswith(str(path))
    assert "\n" not in message


def test_the_demonstration_photo():
    assert read_photo(data_file("astronaut.jpg")).shape == (512, 512, 3)
