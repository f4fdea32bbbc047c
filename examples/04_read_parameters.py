"""Lesson 4: load a saved face, change its expression, write it as a new GLB.

python examples/04_read_parameters.py out smiling.glb
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from deca.head.model import HeadModel
from deca.io.gltf import write_glb
from deca.io.heads import default_head
from deca.io.parameter_files import read_parameters

folder, result = Path(sys.argv[1]), sys.argv[2]
head = default_head()

# Numbers load back bit for bit; a file of another head model is refused.
parameters = read_parameters(folder / "parameters.json", head).parameters

expression = parameters.expression.clone()
for name in ("mouthSmileLeft", "mouthSmileRight", "cheekSquintLeft", "cheekSquintRight"):
    expression[0, head.expression_names.index(name)] = 0.9

texture = np.asarray(Image.open(folder / "texture.png"))
normal_map = np.asarray(Image.open(folder / "normal.png"))
write_glb(result, HeadModel(head), parameters.replace(expression=expression), texture, normal_map)
print(f"wrote {result}")
