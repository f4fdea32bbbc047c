"""Photos on disk: any common picture file as the pixels that a viewer shows."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from deca.photo.sampling import Photo

MAX_PIXELS = 100_000_000
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".heic", ".heif")
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


class PhotoError(ValueError):
    """A file is not a photo that can be used; the message names it, what was found and the remedy."""


def read_photo(path: str | Path) -> Photo:
    """The photo as a viewer shows it: EXIF orientation and colour profile applied, 8 bits, sRGB.

    Transparent pixels are laid on white. 16-bit pictures are scaled, not clipped; CMYK, grey and palette
    pictures become RGB. Of a TIFF, HEIC or JPEG with several pictures the first (primary) one is the photo.

    Raises FileNotFoundError for a missing file, and PhotoError for one that is no picture, is damaged, is an
    animation, or has more than MAX_PIXELS pixels; the size is checked before anything is decoded.
    """
    path = Path(path)
    if path.is_dir():
        raise PhotoError(f"{path}: a folder, not a photo; name the photos in it")
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such photo")
    formats = _readable_formats(path)
    try:
        # Pillow warns of large and slightly broken pictures; here they are either read or refused.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=formats) as picture:
                _check_picture(picture, path)
                return _pixels(ImageOps.exif_transpose(picture))
    except PhotoError:
        raise
    except Image.DecompressionBombError:
        # Raised on opening, above twice Pillow's own limit.
        raise _too_large(path, "more than 178 megapixels") from None
    except UnidentifiedImageError:
        raise PhotoError(f"{path}: not a picture file; use JPEG, PNG, WebP, TIFF, BMP or HEIC") from None
    # Pillow's decoders raise a dozen different types on damaged files.
    except Exception as error:
        found = " ".join(str(error).split())
        raise PhotoError(f"{path}: damaged or cut short ({found}); export or copy it again") from None


def _readable_formats(path: Path) -> tuple[str, ...]:
    try:
        with open(path, "rb") as stream:
            start = stream.read(12)
    except OSError as error:
        raise PhotoError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    if not start:
        raise PhotoError(f"{path}: empty (0 bytes); copy the photo again")
    if start[4:8] != b"ftyp" or start[8:12] not in _HEIC_BRANDS:
        return _FORMATS
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        raise PhotoError(f"{path}: a HEIC photo; to read these, run: pip install pillow-heif") from None
    register_heif_opener()
    return ("HEIF",)


def _check_picture(picture: Image.Image, path: Path) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise _too_large(path, f"{width} x {height} pixels")
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and picture.format in ("GIF", "WEBP", "PNG"):
        raise PhotoError(f"{path}: an animation of {frames} frames; save the one you want as a photo")


def _too_large(path: Path, found: str) -> PhotoError:
    return PhotoError(f"{path}: {found}; at most {MAX_PIXELS // 10**6} megapixels are read, make it smaller")


def _pixels(picture: Image.Image) -> Photo:
    if picture.mode == "F" or picture.mode.startswith("I"):
        return _deep_grey(picture)
    picture = _in_srgb(picture)
    if picture.has_transparency_data:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture.convert("RGBA"))
    return np.array(picture.convert("RGB"))


def _in_srgb(picture: Image.Image) -> Image.Image:
    """The picture with its embedded colour profile carried out, as far as it has a usable one."""
    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return picture
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = "RGBA" if picture.mode == "RGBA" else "RGB"
        converted = ImageCms.profileToProfile(
            picture, source, ImageCms.createProfile("sRGB"), outputMode=mode
        )
    except (ImageCms.PyCMSError, OSError):
        # Viewers show a picture with a broken profile as if it had none.
        return picture
    return picture if converted is None else converted


def _deep_grey(picture: Image.Image) -> Photo:
    """Grey of 16 bits, or of floats in [0, 1], in 8 bits; Pillow's own conversion would clip it."""
    values = np.asarray(picture).astype(np.float32)
    white = 1.0 if picture.mode == "F" else 65535.0
    if not (values.min() >= 0 and values.max() <= white):
        raise ValueError(f"grey values from {values.min():g} to {values.max():g}, expected 0 to {white:g}")
    grey = np.round(values * (255 / white)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, 2)
