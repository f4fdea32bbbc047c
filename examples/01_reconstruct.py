"""Lesson 1: one photo in, a folder of files out.

python examples/01_reconstruct.py me.jpg out
"""

import sys

import deca

photo, folder = sys.argv[1:]

# Every face of the photo, from the viewer's left to right. The first call compiles; later ones are faster.
faces = deca.reconstruct(photo)

face = faces[0]
print(f"{len(faces)} face(s); landmarks lie {face.residuals['landmarks_px']:.1f} pixels from the photo's")
print(f"shape {tuple(face.parameters.shape.shape)}, expression {tuple(face.parameters.expression.shape)}")

# The most active facial actions, under their ARKit names.
names = face.deca.data.expression_names
for value, name in sorted(zip(face.parameters.expression[0].tolist(), names, strict=True), reverse=True)[:3]:
    print(f"{name}: {value:.2f}")

# head.glb, OBJ meshes, maps, parameters.json, landmarks.json and sheet.png.
face.save(folder)
