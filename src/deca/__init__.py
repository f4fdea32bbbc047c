"""One photo of a face in, an animatable 3D head with fine wrinkles out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deca.apps.reconstruct import NoFaceError, Reconstructor, reconstruct
    from deca.apps.reconstruction import Reconstruction
    from deca.parameters import Parameters

__all__ = ["NoFaceError", "Parameters", "Reconstruction", "Reconstructor", "reconstruct"]

_HOMES = {
    "NoFaceError": "deca.apps.reconstruct",
    "Parameters": "deca.parameters",
    "Reconstruction": "deca.apps.reconstruction",
    "Reconstructor": "deca.apps.reconstruct",
    "reconstruct": "deca.apps.reconstruct",
}


def __getattr__(name: str) -> object:
    """Import a public name on first use, so that one room can be imported without all the others."""
    if name not in _HOMES:
        raise AttributeError(f"module 'deca' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
