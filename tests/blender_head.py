"""Run by a Python that has bpy: sets up a baked head by the script that was baked, and says what it does."""

import importlib.util
import json
import math
import sys
from pathlib import Path

import bpy  # pyright: ignore[reportMissingImports]

folder, poses = Path(sys.argv[1]), json.loads(sys.argv[2])
spec = importlib.util.spec_from_file_location("blender_wrinkles", folder / "blender_wrinkles.py")
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)

bpy.ops.wm.read_factory_settings(use_empty=True)
head = script.set_up(folder)
keys = head.data.shape_keys.key_blocks
tree = next(slot.material for slot in head.material_slots if slot.material.name.startswith("skin")).node_tree
scene = bpy.context.scene
camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
camera.data.type, camera.data.ortho_scale = "ORTHO", 0.2
camera.location, camera.rotation_euler = (0, -1, 0), (math.pi / 2, 0, 0)
sun = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
sun.data.energy, sun.rotation_euler = 4, (math.radians(40), 0, 0)
scene.collection.objects.link(camera)
scene.collection.objects.link(sun)
scene.camera = camera
scene.render.engine = "CYCLES"
scene.cycles.samples = 4
scene.render.resolution_x = scene.render.resolution_y = 160

found = []
for number, pose in enumerate(poses):
    for key in keys[1:]:
        key.value = pose.get(key.name, 0)
    bpy.context.view_layer.update()
    drivers = tree.animation_data.drivers
    weights = {each.data_path.split('"')[1]: tree.path_resolve(each.data_path) for each in drivers}
    pictures = []
    for amount in (0, 1):
        tree.nodes[script.AMOUNT].outputs[0].default_value = amount
        scene.render.filepath = f"{sys.argv[3]}/pose{number}_{amount}.png"
        bpy.ops.render.render(write_still=True)
        pictures.append(scene.render.filepath)
    simple = all(each.driver.is_simple_expression and each.driver.is_valid for each in drivers)
    found.append({"weights": weights, "pictures": pictures, "simple": simple})
print("FOUND " + json.dumps(found))
