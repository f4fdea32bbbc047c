"""Set up a head baked by `deca bake` in Blender: its maps in shader nodes, its drivers on the shape keys.

In Blender open this file in the text editor and run it, or: blender --python blender_wrinkles.py. It reads
wrinkles.json and head.glb beside it, or in the folder named after "--". Tried with Blender 5.0.
"""

import json
import sys
from pathlib import Path

import bpy  # pyright: ignore[reportMissingImports]

AMOUNT = "wrinkles"
"""The node of the material whose value, 0 to 1, says how much of the correctives is seen."""
_FORMAT = "deca wrinkles 1"
_LONGEST = 255  # characters of a driver's expression


def set_up(folder):
    """Import the head of a folder with its wrinkles; returns the mesh object."""
    folder = Path(folder)
    about = json.loads((folder / "wrinkles.json").read_text(encoding="utf-8"))
    if about.get("format") != _FORMAT:
        raise ValueError(f"{folder / 'wrinkles.json'}: not {_FORMAT!r}; write it with `deca bake`")
    known = set(bpy.data.objects)
    bpy.ops.import_scene.gltf(filepath=str(folder / about["glb"]))
    new = [each for each in bpy.data.objects if each not in known and each.type == "MESH"]
    # The importer adds a mesh of its own, the shape that stands for bones.
    (head,) = [each for each in new if each.data.shape_keys]
    (slot,) = [each for each in head.material_slots if each.material.name.startswith(about["material"])]
    _shade(slot.material.node_tree, head.data.shape_keys, folder, about)
    return head


def _shade(tree, keys, folder, about):
    """Put the blended normal in place of the imported normal map's."""
    nodes, links = tree.nodes, tree.links
    (shader,) = [node for node in nodes if node.type == "BSDF_PRINCIPLED"]
    for node in [node for node in nodes if node.type == "NORMAL_MAP"]:
        nodes.remove(node)
    amount = nodes.new("ShaderNodeValue")
    amount.name = amount.label = AMOUNT
    amount.outputs[0].default_value = 1.0
    # glTF's normal map: colour * 2 - 1. A corrective's flat colour is exactly 128: (255 colour - 128) / 127.
    total = _tilt(tree, folder / about["textured"]["file"], 2.0, -1.0, about["textured"]["scale"])
    sum_of_maps = None
    for each in about["maps"]:
        weight = nodes.new("ShaderNodeValue")
        weight.name = weight.label = each["name"]
        _drive(weight.outputs[0], keys, each["terms"], about["rise"])
        tilt = _tilt(tree, folder / each["file"], 255 / 127, -128 / 127, each["strength"], weight.outputs[0])
        sum_of_maps = tilt if sum_of_maps is None else _vector(tree, "ADD", sum_of_maps, tilt)
    if sum_of_maps is not None:
        total = _vector(tree, "ADD", total, _vector(tree, "SCALE", sum_of_maps, scale=amount.outputs[0]))
    # The normal is (x, y, 1), normalised; as a colour for the node that turns it into the head's frame.
    upright = _vector(tree, "MULTIPLY_ADD", total, (1, 1, 0), (0, 0, 1))
    unit = _vector(tree, "NORMALIZE", upright)
    colour = _vector(tree, "MULTIPLY_ADD", unit, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    normal_map = nodes.new("ShaderNodeNormalMap")
    links.new(colour, normal_map.inputs["Color"])
    links.new(normal_map.outputs["Normal"], shader.inputs["Normal"])


def _tilt(tree, file, times, plus, strength, weight=None):
    """Socket of a map's (x / z, y / z), times strength and weight; its third part means nothing."""
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image = bpy.data.images.load(str(file))
    texture.image.colorspace_settings.name = "Non-Color"
    texture.extension = "EXTEND"
    normal = _vector(tree, "MULTIPLY_ADD", texture.outputs["Color"], (times,) * 3, (plus,) * 3)
    parts = tree.nodes.new("ShaderNodeSeparateXYZ")
    tree.links.new(normal, parts.inputs[0])
    scale = _divided(tree, strength, parts.outputs["Z"])
    tilt = _vector(tree, "SCALE", normal, scale=scale)
    return tilt if weight is None else _vector(tree, "SCALE", tilt, scale=weight)


def _divided(tree, number, socket):
    node = tree.nodes.new("ShaderNodeMath")
    node.operation = "DIVIDE"
    node.inputs[0].default_value = number
    tree.links.new(socket, node.inputs[1])
    return node.outputs[0]


def _vector(tree, operation, first, *others, scale=None):
    """Socket of a vector operation on sockets and constants."""
    node = tree.nodes.new("ShaderNodeVectorMath")
    node.operation = operation
    for place, value in enumerate((first, *others)):
        if isinstance(value, tuple):
            node.inputs[place].default_value = value
        else:
            tree.links.new(value, node.inputs[place])
    if scale is not None:
        tree.links.new(scale, node.inputs["Scale"])
    return node.outputs["Vector"]


def _drive(socket, keys, terms, rise):
    """Make a value 1 - exp(-max(0, sum of factor * shape key) ^ rise).

    Simple enough for Blender to work out itself: no Python runs when the file is opened.
    """
    driver = socket.driver_add("default_value").driver
    driver.type = "SCRIPTED"
    effort = []
    for number, term in enumerate(terms):
        variable = driver.variables.new()
        variable.name = f"k{number}"
        variable.type = "SINGLE_PROP"
        variable.targets[0].id_type = "KEY"
        variable.targets[0].id = keys
        variable.targets[0].data_path = f'key_blocks["{term["morph"]}"].value'
        effort.append(f"{term['factor']:g}*k{number}")
    driver.expression = f"1-exp(-pow(max(0,{'+'.join(effort)}),{rise:g}))"
    if len(driver.expression) > _LONGEST:
        raise ValueError(f"too many morphs drive one map ({len(terms)}); bake more maps")


if __name__ == "__main__":
    given = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
    text = getattr(bpy.context.space_data, "text", None)
    set_up(given[0] if given else Path(text.filepath if text else __file__).parent)
