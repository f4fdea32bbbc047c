"""Make the pictures of the documentation again, from the astronaut that ships.

python tools/make_pictures.py
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

import deca
from deca.apps.sheet import draw_sheet
from deca.io.files import data_file

DOCS = Path(__file__).parents[1] / "docs"
WIDTH = 1600


def main() -> None:
    """Reconstruct the astronaut and keep the sheet, small enough for a page."""
    (face,) = deca.reconstruct(data_file("astronaut.jpg"))
    sheet = Image.fromarray(draw_sheet(face))
    small = sheet.resize((WIDTH, round(sheet.height * WIDTH / sheet.width)), Image.Resampling.LANCZOS)
    small.save(DOCS / "astronaut.jpg", quality=88)


if __name__ == "__main__":
    main()
