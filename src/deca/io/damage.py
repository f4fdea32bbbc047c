"""What is wrong with a user's file, said in one line that names the file."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deca.conversion.asset import AssetError

# What Python and its libraries raise where a file holds something else than it should.
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
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
    except OSError as error:
        found = error.strerror or " ".join(str(error).split())
        raise AssetError(f"{path}: cannot be read ({found}); check the file and its permissions") from None
    except _DAMAGE as error:
        found = " ".join(str(error).split())[:200] or type(error).__name__
        raise AssetError(f"{path}: damaged or cut short ({found}); get the file again") from None
