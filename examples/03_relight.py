"""Lesson 3: the same person in another light, turned, and laughing.

python examples/03_relight.py lesson relit.png
"""

import sys

import numpy as np
import torch

from deca.animation.expressions import named_expression
from deca.animation.lights import studio_light
from deca.apps.people import read_person
from deca.io.maps import write_map
from deca.render.pictures import over

folder, result = sys.argv[1:]
person = read_person(folder)
photo = person.parameters
turned = photo.replace(
    pose=torch.tensor([[0.0, 0.35, 0.0]]),  # radians about y: to the subject's left
    expression=named_expression(("laugh=0.8",), person.deca.data),
    lighting=studio_light("rim")[None],
)

paper = np.full((512, 512, 3), 240, np.uint8)
pictures = [over(person.seen(each, 512).lit(), paper) for each in (photo, turned)]
write_map(result, np.concatenate(pictures, 1))
print(f"wrote {result}")
