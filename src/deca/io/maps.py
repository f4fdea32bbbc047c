"""Maps in UV as PNG files: colours, normals, and displacements in 16 bits that carry their scale."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, UnidentifiedImageError

from deca.io.files import whole_file
from deca.io.png import png_bytes

_QUALITY = 92  # of 100
_ZERO = 32768  # the grey of no displacement
_LEAST_RANGE = 1e-6  # metres: a map of zeros has a scale too
_SCALE_KEY = "metres_per_unit"


class MapError(ValueError):
    """A file is not the map that was asked for."""


def write_map(path: str | Path, image: UInt8[np.ndarray, "height width 3"]) -> None:
    """Write an RGB map as PNG, row 0 (v = 1) first."""
    with whole_file(path) as temporary:
        temporary.write_bytes(png_bytes(image))


def read_map(path: str | Path) -> UInt8[np.ndarray, "height width 3"]:
    """Read an RGB map, row 0 first; MapError for what is no picture of eight bits, FileNotFoundError for no
    file."""
    try:
        with Image.open(path) as image:
            if image.mode not in ("RGB", "RGBA", "L", "P"):
                raise MapError(f"{path}: expected a picture of eight bits, found mode {image.mode}")
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such map") from None
    except (UnidentifiedImageError, SyntaxError, OSError) as error:
        raise MapError(f"{path}: not a readable picture ({error})") from None


def jpeg_bytes(image: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """An RGB map as the bytes of a JPEG file: a tenth of a PNG, its colours as fine as its brightness."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=_QUALITY, subsampling=0)
    return stream.getvalue()


def encode_unit(image: Float[np.ndarray, "3 height width"]) -> UInt8[np.ndarray, "height width 3"]:
    """Colours in [0, 1], clipped, as eight bits."""
    return np.rint(image.transpose(1, 2, 0).clip(0, 1) * 255).astype(np.uint8)


def encode_normals(normals: Float[np.ndarray, "3 height width"]) -> UInt8[np.ndarray, "height width 3"]:
    """Unit normals as the colours of a normal map: -1, 0 and 1 become 0, 127.5 (rounded to even) and 255."""
    return encode_unit(normals / 2 + 0.5)


def decode_normals(image: UInt8[np.ndarray, "height width 3"]) -> Float[np.ndarray, "3 height width"]:
    """Unit normals of a normal map, right to about half a degree, as eight bits allow."""
    normals = image.transpose(2, 0, 1).astype(np.float32) / 127.5 - 1
    return normals / np.linalg.norm(normals, axis=0)


def write_displacement(path: str | Path, displacement: Float[np.ndarray, "height width"]) -> float:
    """Write displacements along the normal, metres, as a 16-bit PNG; returns the metres of one grey level.

    Metres are (grey - 32768) times the number in the PNG's text chunk `metres_per_unit`; the largest
    displacement takes the whole range, so that the error is at most 1 / 65534 of it, half a grey level.
    """
    if not np.isfinite(displacement).all():
        raise ValueError(f"{path}: the displacement map holds a number that is not finite")
    data, scale = displacement_png(displacement)
    with whole_file(path) as temporary:
        temporary.write_bytes(data)
    return scale


def displacement_png(displacement: Float[np.ndarray, "height width"]) -> tuple[bytes, float]:
    """The bytes of `write_displacement`'s file, for finite numbers, and the metres of one grey level."""
    largest = float(np.abs(displacement).max(initial=_LEAST_RANGE))
    scale = largest / (_ZERO - 1)
    grey = (np.rint(displacement.astype(np.float64) / scale) + _ZERO).astype(np.uint16)
    return png_bytes(grey, {_SCALE_KEY: repr(scale)}), scale


def read_displacement(path: str | Path) -> Float[np.ndarray, "height width"]:
    """Read the metres that `write_displacement` wrote.

    Any other picture is a MapError, a missing file a FileNotFoundError.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such displacement map") from None
    except OSError as error:
        raise MapError(f"{path}: not a readable picture ({error})") from None
    return parse_displacement(data, str(path))


def parse_displacement(data: bytes, name: str) -> Float[np.ndarray, "height width"]:
    """The metres in the bytes of `write_displacement`'s file; raises MapError, which says `name`."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            grey, text = np.asarray(image), getattr(image, "text", {})
    except (UnidentifiedImageError, SyntaxError, OSError) as error:
        raise MapError(f"{name}: not a readable picture ({error})") from None
    try:
        scale = float(text[_SCALE_KEY])
    except (KeyError, ValueError):
        raise MapError(
            f"{name}: this picture has no scale (text chunk {_SCALE_KEY}); write it with deca"
        ) from None
    if grey.ndim != 2 or grey.dtype != np.uint16:
        raise MapError(f"{name}: expected one channel of 16 bits, found {grey.dtype} of shape {grey.shape}")
    return ((grey.astype(np.float64) - _ZERO) * scale).astype(np.float32)
