"""What is wrong with a user's file, said in one line that names the file."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from deca.conversion.asset import KINDS, AssetError, UnknownAssetError

# What Python and its libraries raise where a file holds something else than it should.
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


class RefusedError(ValueError):
    """A file asks for or claims what is not allowed; the message says what, but does not name the file."""


@contextmanager
def naming_file(path: str | Path) -> Iterator[None]:
    """Turn whatever is found wrong while reading `path` into an AssetError that names it."""
    try:
        yield
    except AssetError:
        raise
    except RefusedError as error:
        raise AssetError(f"{path}: {error}") from None
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file") from None
    except PermissionError:
        raise AssetError(f"{path}: may not be read; change its permissions, or copy it") from None
    except _DAMAGE as error:
        found = " ".join(str(error).split())[:200] or type(error).__name__
        raise AssetError(f"{path}: damaged or cut short ({found}); get the file again") from error


def unknown_file(path: str | Path, names: Collection[str] = ()) -> UnknownAssetError:
    """The error for a file of no known kind: the names in it, as far as it has any, and what is known."""
    shown = ", ".join(name if len(name) <= 80 else f"{name[:77]}..." for name in sorted(names)[:6])
    found = f" (it holds {ascii(shown)[1:-1]}{', ...' if len(names) > 6 else ''})" if names else ""
    return UnknownAssetError(
        f"{path}: no published file that is known here{found}; known are {', '.join(KINDS)}"
    )
