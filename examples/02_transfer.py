"""Lesson 2: a face moved by numbers: half a second of a smile, as a video and as an animated GLB.

python examples/02_transfer.py lesson smile.mp4 smile.glb

The video needs PyAV: pip install 'deca[video]'.
"""

import sys

import numpy as np
import torch

from deca.animation.expressions import named_expression
from deca.animation.motion import Motion, TransferConfig, transferred
from deca.apps.drawing import animated_frames
from deca.apps.people import read_person, write_animated_glb
from deca.io.videos import new_video

folder, video, glb = sys.argv[1:]
person = read_person(folder)  # whom `deca reconstruct` saved there
data = person.deca.data

# A driver is a face over time; here it is made of names, and its own shape plays no part.
share = torch.linspace(0, 1, 15)[:, None]
driver = person.parameters.map(lambda values: values.expand(15, *values.shape[1:]))
driver = driver.replace(
    expression=share * named_expression(("smile",), data), jaw=torch.zeros_like(driver.jaw)
)
motion = transferred(person.parameters, Motion(np.arange(15) / 30, driver), data, TransferConfig())

# Shape, light and detail code stay the person's; the wrinkles answer to the expression of each frame.
with new_video(video, motion.frame_rate) as append:
    for frame in animated_frames(person, motion, ("result", "clay"), 256, iter(())):
        append(frame)
write_animated_glb(glb, person, motion)
print(f"wrote {video} and {glb}")
