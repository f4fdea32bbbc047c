"""What surrounds and covers a head in photos: backdrop, body, hair, hats, spectacles, beards, hands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from deca.geometry import vertex_normals
from deca.head.data import HeadData

Picture = Float[np.ndarray, "height width 3"]
Mask = Float[np.ndarray, "height width"]
Layer = UInt8[np.ndarray, "height width 4"]
"""RGB premultiplied by its fourth channel, as drawing with soft edges on black leaves it."""

_FRACTION = 4
"""Bits after the point in drawn coordinates."""
_NOISE_SIZE = 256
_SHADES = 24
"""Shades of one head's hair."""


@dataclass(frozen=True)
class View:
    """How a head lies in a picture: an affine camera from the neutral head's metres to pixels.

    `toward` is the unit direction to the viewer in the head frame, `scale` pixels a metre.
    """

    matrix: Float[np.ndarray, "2 4"]
    toward: Float[np.ndarray, "3"]
    scale: float

    def pixels(self, points: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 2"]:
        """Where points of the neutral head lie, pixel centres at half-integers."""
        return points @ self.matrix[:, :3].T + self.matrix[:, 3]


class SceneModel:
    """What scenes need to know of one head model: the neutral head's landmarks, scalp and extent."""

    def __init__(self, data: HeadData) -> None:
        corners = data.template_vertices[data.triangles[data.landmark_triangles]]
        self.landmarks = (corners * data.landmark_barycentrics[..., None]).sum(1).astype(np.float64)
        inside = np.unique(data.triangles[data.region("scalp")])
        self.scalp = data.template_vertices[inside].astype(np.float64)
        self.normals = _normals(data)[inside]
        self.centre = (self.scalp.max(0) + self.scalp.min(0)) / 2
        self.radii = (self.scalp.max(0) - self.scalp.min(0)) / 2
        self.neck = data.template_vertices[np.unique(data.triangles[data.region("neck")])].astype(np.float64)

    def view(self, landmarks: Float[np.ndarray, "68 2"]) -> View:
        """The affine camera that brings the neutral head's inner landmarks nearest to these, in pixels."""
        known = np.concatenate([self.landmarks, np.ones((len(self.landmarks), 1))], 1)
        matrix = np.linalg.lstsq(known, np.asarray(landmarks, np.float64)[17:], rcond=None)[0].T
        right, down = matrix[:, :3]
        away = np.cross(right, down)
        scale = float(np.sqrt(np.linalg.norm(away)))
        return View(matrix, -away / max(np.linalg.norm(away), 1e-12), scale)


def compose(
    model: SceneModel,
    head: Picture,
    alpha: Mask,
    landmarks: Float[np.ndarray, "68 2"],
    random: np.random.Generator,
    photos: Sequence[UInt8[np.ndarray, "_ _ 3"]] = (),
) -> tuple[Picture, Mask]:
    """A head set in a random scene, and a mask in [0, 1] of where its own surface still shows.

    `head` is RGB in [0, 1] and counts where `alpha` is 1; landmarks are in pixels, centres at half-integers.
    The backdrops are made from numbers and, where `photos` (bytes, any size; without faces) are given, from
    pieces of them.
    """
    view = model.view(landmarks)
    height, width = alpha.shape
    picture = backdrop(random, height, width, photos)
    style = hair_style(random)
    dressed = random.random() < 0.85
    if dressed:
        colour = random.uniform(0.03, 0.95) * random.dirichlet((8, 8, 8)).astype(np.float32) * 3
    else:
        below = landmarks[8:9] + np.array([0, 0.01 * view.scale])
        colour = _colour_at(head, alpha, below)
    body = _body(model, view, random, colour, alpha.shape)
    picture = _laid(picture, body[0], 0.3)
    strands = hair_strands(model, style, random)
    picture = _laid(picture, _hair_layer(model, view, style, strands, alpha.shape, random, front=False), 0.0)
    cover = alpha[..., None]
    picture = picture * (1 - cover) + head * cover
    skin = alpha.astype(np.float32)
    if random.random() < 0.15:
        picture, skin = beard(picture, skin, landmarks, style.colour, random)
    picture, skin = _covered(picture, skin, body[1], 0.25)
    front = _hair_layer(model, view, style, strands, alpha.shape, random, front=True)
    picture, skin = _covered(picture, skin, front, 0.35)
    if random.random() < 0.2:
        picture, skin = spectacles(model, picture, skin, landmarks, random)
    if random.random() < 0.08:
        picture, skin = hat(model, picture, skin, landmarks, random)
    if random.random() < 0.2:
        picture, skin = occluder(picture, skin, landmarks, random)
    return np.clip(picture, 0, 1).astype(np.float32), skin


def backdrop(
    random: np.random.Generator,
    height: int,
    width: int,
    photos: Sequence[UInt8[np.ndarray, "_ _ 3"]] = (),
) -> Picture:
    """A random background: a gradient, a texture, blurred shapes, or a piece of one of the photos."""
    if len(photos) and random.random() < 0.6:
        return _photo_piece(random, height, width, photos)
    kind = random.choice(["gradient", "texture", "shapes"], p=[0.35, 0.3, 0.35])
    picture = _gradient(random, height, width)
    if kind == "texture":
        noise = _noise(random, height, width)[..., None]
        other = _gradient(random, height, width)
        share = np.clip(0.5 + random.uniform(0.2, 1.0) * noise, 0, 1)
        picture = picture * (1 - share) + other * share
    elif kind == "shapes":
        for _ in range(random.integers(3, 20)):
            layer = _layer((height, width))
            points = _blob(
                random, random.uniform(0, 1, 2) * [width, height], random.uniform(0.03, 0.5) * width
            )
            _fill(layer, points, random.uniform(0, 1, 3))
            picture = _laid(picture, layer, 0.0)
        picture = cv2.GaussianBlur(picture, (0, 0), random.exponential(0.02) * width + 0.5)
    return picture


@dataclass(frozen=True)
class HairStyle:
    """One head of hair. Lengths in metres; `fringe` says how far hair hangs over the forehead, 0 to 1."""

    colour: Float[np.ndarray, "3"]
    length: float
    lift: float
    fringe: float
    parting: float
    wave: float
    frizz: float
    count: int


def hair_style(random: np.random.Generator) -> HairStyle:
    """A random style: bald or shaven, short, medium or long; dark for most, also fair, red, grey and dyed."""
    kind = random.choice(["none", "short", "medium", "long"], p=[0.15, 0.35, 0.2, 0.3])
    length = {"none": 0.0, "short": 0.035, "medium": 0.12, "long": 0.3}[kind] * random.uniform(0.6, 1.4)
    return HairStyle(
        colour=_hair_colour(random),
        length=float(length),
        lift=float(random.uniform(0.1, 0.9)),
        fringe=float(random.uniform(0.3, 1) if random.random() < 0.35 else 0),
        parting=float(random.normal(0, 0.025)),
        wave=float(random.exponential(0.004)),
        frizz=float(random.exponential(0.08)),
        count=int(random.integers(350, 600)),
    )


def hair_strands(
    model: SceneModel, style: HairStyle, random: np.random.Generator
) -> Float[np.ndarray, "strand point 3"]:
    """Strands in the neutral head's frame, metres, from the scalp outwards; none for bald heads."""
    points = 12
    if style.length == 0:
        return np.zeros((0, points, 3))
    chosen = random.integers(len(model.scalp), size=style.count)
    place, normal = model.scalp[chosen], model.normals[chosen]
    place = place + random.normal(0, 0.004, place.shape)
    length = style.length * random.uniform(0.7, 1.15, (style.count, 1))
    side = np.sign(place[:, :1] - style.parting)
    front = place[:, 2:] > model.centre[2] + 0.4 * model.radii[2]
    # Combed away from the parting and back; a fringe goes forward.
    forward = np.where(front, 2 * style.fringe - 0.8, -0.5)
    combed = np.concatenate([0.8 * side, np.zeros_like(side), forward], 1)
    direction = _unit(style.lift * normal + combed + style.frizz * random.normal(size=place.shape))
    phase = random.uniform(0, 2 * np.pi, (style.count, 1))
    strands = [place]
    step = length / (points - 1)
    for index in range(1, points):
        falling = min(1.0, 0.12 + 1.2 * style.length) * np.array([0.0, -1.0, 0.0])
        direction = _unit(direction + falling + style.frizz * random.normal(size=place.shape))
        place = _outside(model, place + step * direction, 1.03 + 0.1 * style.lift)
        sway = style.wave * np.sin(phase + 1.1 * index) * np.array([0.7, 0.0, 0.7])
        strands.append(place + sway)
    return np.stack(strands, 1)


def beard(
    picture: Picture,
    skin: Mask,
    landmarks: Float[np.ndarray, "68 2"],
    colour: Float[np.ndarray, "3"],
    random: np.random.Generator,
) -> tuple[Picture, Mask]:
    """Stubble or a beard on chin, cheeks and upper lip; skin counts the less the denser it is."""
    shape = skin.shape
    inside = _layer(shape)
    jaw, mouth, nose = landmarks[2:15], landmarks[48:60], landmarks[31:36]
    middle = landmarks[51:52]
    lower = jaw * 0.97 + 0.03 * middle
    top = np.concatenate([lower[-1:] * 0.6 + mouth[6:7] * 0.4, nose[::-1], lower[:1] * 0.6 + mouth[:1] * 0.4])
    _fill(inside, np.concatenate([lower, top]), np.ones(3))
    _fill(inside, mouth, np.zeros(3), 0)
    width = max(float(np.linalg.norm(landmarks[45] - landmarks[36])), 4.0)
    soft = cv2.GaussianBlur(inside[..., 3].astype(np.float32) / 255, (0, 0), 0.05 * width)
    density = random.uniform(0.15, 0.85)
    noise = 1 + 0.5 * _noise(random, *shape, finest=1)
    share = np.clip(soft * density * noise, 0, 1) * skin
    return picture + share[..., None] * (0.8 * colour - picture), skin * (1 - share)


def spectacles(
    model: SceneModel,
    picture: Picture,
    skin: Mask,
    landmarks: Float[np.ndarray, "68 2"],
    random: np.random.Generator,
) -> tuple[Picture, Mask]:
    """Rims, bridge and temples of spectacles that follow the head, glass that is clear, bright or dark."""
    view = model.view(landmarks)
    eyes = model.landmarks[[19, 22, 25, 28]]
    right, left = eyes[:2].mean(0), eyes[2:].mean(0)
    apart = left[0] - right[0]
    half = np.array([random.uniform(0.36, 0.45), random.uniform(0.24, 0.42)]) * apart
    power = random.uniform(2.0, 5.0)
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    round_ = np.stack([np.cos(angle), np.sin(angle)], 1)
    round_ /= (np.abs(round_) ** power).sum(1, keepdims=True) ** (1 / power)
    front = max(right[2], model.landmarks[10:12, 2].mean() - 0.006) + 0.012
    rims = []
    for eye, side in ((right, -1), (left, 1)):
        middle = np.array([side * apart * 0.49, eye[1] - 0.1 * half[1], front])
        rim = np.zeros((len(angle), 3))
        rim[:, :2] = round_ * half
        # Glasses bend back towards the temples.
        rim[:, 2] = -0.25 * side * rim[:, 0]
        rims.append(rim + middle)
    shape = skin.shape
    thickness = max(1, round(random.uniform(0.0008, 0.0045) * view.scale))
    colour = random.uniform(0, 0.35) * np.ones(3) if random.random() < 0.6 else random.uniform(0.05, 0.8, 3)
    dark = random.random() < 0.2
    for rim in rims:
        glass = _layer(shape)
        _fill(glass, view.pixels(rim), random.uniform(0, 0.2) * np.ones(3) if dark else np.ones(3))
        opacity = random.uniform(0.6, 0.97) if dark else min(random.exponential(0.06), 0.4)
        glint = _noise(random, *shape) * (0.1 if dark else 0.5) + 1
        share = glass[..., 3].astype(np.float32) / 255 * np.clip(opacity * glint, 0, 1)
        picture = (
            picture * (1 - share[..., None]) + share[..., None] * glass[..., :3].astype(np.float32) / 255
        )
        skin = skin * (1 - (share if dark else 0.5 * share))
    frame = _layer(shape)
    for rim in rims:
        _line(frame, view.pixels(rim), colour, thickness, closed=True)
    _line(frame, view.pixels(np.stack([rims[0][0], rims[1][len(angle) // 2]])), colour, thickness)
    reach = model.centre[2] + 0.1 * model.radii[2]
    for rim, index, side in ((rims[0], len(angle) // 2, -1), (rims[1], 0, 1)):
        hinge = rim[index]
        # Of the temples only that on the side turned to the viewer shows.
        if side * view.toward[0] > -0.1:
            ear = np.array([side * model.radii[0] * 1.0, hinge[1], reach])
            _line(frame, view.pixels(np.stack([hinge, ear])), colour, thickness)
    return _covered(picture, skin, frame, 0.3)


def hat(
    model: SceneModel,
    picture: Picture,
    skin: Mask,
    landmarks: Float[np.ndarray, "68 2"],
    random: np.random.Generator,
) -> tuple[Picture, Mask]:
    """A cap, a woollen hat or a brimmed hat over the upper head."""
    view = model.view(landmarks)
    brow = model.landmarks[:10, 1].max()
    low, tilt = brow + random.uniform(0.012, 0.045), random.uniform(-0.35, 0.1)
    places = model.scalp + model.normals * random.uniform(0.006, 0.02)
    upper = places[places[:, 1] > low - tilt * (places[:, 2] - model.landmarks[:10, 2].max())]
    if len(upper) < 3:
        return picture, skin
    colour = random.uniform(0, 0.9, 3)
    layer = _layer(skin.shape)
    _fill(layer, cv2.convexHull(view.pixels(upper).astype(np.float32))[:, 0], colour)
    angle = np.linspace(-1.3, 1.3, 24) if random.random() < 0.6 else np.linspace(-np.pi, np.pi, 48)
    if random.random() < 0.7:
        reach = np.array([1.12, 1.15]) + random.uniform(0.1, 0.5) * np.array([0.3, 1.0])
        inner, outer = (
            np.stack([grow[0] * model.radii[0] * np.sin(angle), np.full(len(angle), low + drop), depth], 1)
            for grow, drop, depth in (
                ((1.05,), 0.0, model.centre[2] + 1.05 * model.radii[2] * np.cos(angle)),
                (
                    reach,
                    -random.uniform(0, 0.02),
                    model.centre[2] + reach[1] * model.radii[2] * np.cos(angle),
                ),
            )
        )
        _fill(layer, view.pixels(np.concatenate([inner, outer[::-1]])), 0.8 * colour)
    layer = _textured(layer, random, 0.15)
    return _covered(picture, skin, layer, 0.4)


def occluder(
    picture: Picture, skin: Mask, landmarks: Float[np.ndarray, "68 2"], random: np.random.Generator
) -> tuple[Picture, Mask]:
    """A hand, or some thing with a texture, in front of a part of the face."""
    low, high = landmarks.min(0), landmarks.max(0)
    size = float((high - low).mean())
    # Mostly at the face's edge: what covers its middle leaves nothing to learn.
    angle = random.uniform(0, 2 * np.pi)
    middle = (low + high) / 2 + random.uniform(0.35, 0.75) * size * np.array([np.cos(angle), np.sin(angle)])
    layer = _layer(skin.shape)
    if random.random() < 0.4:
        tone = (
            _colour_at(picture, skin, landmarks[[30, 33, 8]]) if random.random() < 0.7 else _skin_tone(random)
        )
        _draw_hand(layer, middle, 0.45 * size, angle + np.pi + random.normal(0, 0.5), tone, random)
        layer = _textured(layer, random, 0.08)
    else:
        points = _blob(random, middle, random.uniform(0.12, 0.4) * size)
        _fill(layer, points, random.uniform(0, 1, 3))
        layer = _textured(layer, random, random.uniform(0.05, 0.4))
    return _covered(picture, skin, layer, 0.35)


def _draw_hand(
    layer: Layer,
    middle: np.ndarray,
    length: float,
    angle: float,
    colour: np.ndarray,
    random: np.random.Generator,
) -> None:
    """A palm, an arm away from the face and fingers towards it."""
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    palm = np.stack([np.cos(t := np.linspace(0, 2 * np.pi, 24)), np.sin(t)], 1) * [0.42, 0.36] * length
    wide = max(1, round(0.55 * length))
    _line(layer, np.stack([middle, middle - 3 * length * along]), 0.85 * colour, wide)
    _fill(layer, middle + palm[:, :1] * along + palm[:, 1:] * across, colour)
    width = max(1, round(0.17 * length))
    for finger, offset in enumerate((-0.27, -0.09, 0.09, 0.27)):
        root = middle + length * (0.25 * along + offset * across)
        bend = random.normal(0, 0.12) + 0.3 * offset
        tip = root + length * random.uniform(0.45, 0.75) * (along + bend * across)
        shade = colour * (1 - 0.06 * (finger % 2))
        _line(layer, np.stack([root, tip]), 0.75 * shade, width + 2)
        _line(layer, np.stack([root, tip]), shade, width)
    thumb = middle + length * (0.1 * along + 0.3 * across * random.choice([-1, 1]))
    _line(layer, np.stack([middle, thumb + 0.3 * length * along]), colour, width + 1)


def _body(
    model: SceneModel, view: View, random: np.random.Generator, colour: np.ndarray, shape: tuple[int, int]
) -> tuple[Layer, Layer]:
    """What lies behind the neck and in front of it: shoulders and a collar, upright in the picture."""
    base = model.neck[model.neck[:, 1] < np.quantile(model.neck[:, 1], 0.3)].mean(0)
    centre, scale = view.pixels(base[None])[0], view.scale
    width, drop = random.uniform(0.19, 0.26) * scale, random.uniform(0.03, 0.09) * scale
    neck, open_ = random.uniform(0.065, 0.09) * scale, random.uniform(-0.02, 0.07) * scale
    bottom = shape[0] + scale
    shoulders = centre + np.array(
        [[-1.3 * width, bottom], [-width, drop + 0.04 * scale], [-0.8 * width, drop]]
    )
    collar = centre + np.array([[-neck, -0.015 * scale], [0, open_], [neck, -0.015 * scale]])
    other = centre + np.array([[0.8 * width, drop], [width, drop + 0.04 * scale], [1.3 * width, bottom]])
    curve = _smooth(collar, 12)
    behind, before = _layer(shape), _layer(shape)
    back = centre + np.array([[-neck, -0.02 * scale], [0, -0.035 * scale], [neck, -0.02 * scale]])
    _fill(behind, np.concatenate([shoulders, _smooth(back, 8), other]), 0.75 * colour)
    _fill(before, np.concatenate([shoulders, curve, other]), colour)
    return _textured(behind, random, 0.1), _textured(before, random, random.uniform(0.05, 0.3))


def _hair_layer(
    model: SceneModel,
    view: View,
    style: HairStyle,
    strands: np.ndarray,
    shape: tuple[int, int],
    random: np.random.Generator,
    *,
    front: bool,
) -> Layer:
    layer = _layer(shape)
    if not len(strands):
        return layer
    outward = _unit((strands[:, 0] - model.centre) / model.radii**2)
    facing = outward @ view.toward
    # Hair that grows on the far side shows only beside the head; what hangs low behind the neck too.
    chosen = facing > 0.05 if front else facing <= 0.25
    order = np.flatnonzero(chosen)
    order = order[np.argsort(strands[order].mean(1) @ view.toward)]
    if not len(order):
        return layer
    # Hard thin lines on a canvas of twice the size are many times as fast as soft ones, and finer.
    large = np.zeros((2 * shape[0], 2 * shape[1], 4), np.uint8)
    lines = 2 * view.pixels(strands[order]) - 0.5
    dark = 1.0 if front else 0.55
    width = 2 * 0.004 * view.scale
    for part, thick, least, most, spread in (
        (lines[::2], _odd(4 * width), 0.45, 0.5, 0.0),
        (lines, _odd(width), 0.6, 1.1, 0.0),
        (lines, 1, 0.5, 1.5, width),
        (lines, 1, 0.6, 1.3, width),
    ):
        moved = part + spread * random.normal(size=(len(part), 1, 2))
        corners = np.round(moved * (1 << _FRACTION)).astype(np.int32)
        for group in np.array_split(corners, _SHADES):
            value = _bytes(style.colour * dark * random.uniform(least, most))
            cv2.polylines(large, list(group), False, value, thick, cv2.LINE_8, _FRACTION)
    return cv2.resize(large, shape[::-1], interpolation=cv2.INTER_AREA)


def _odd(thickness: float) -> int:
    """The nearest odd number: lines of even thickness are drawn several times as slowly."""
    return 2 * round((thickness - 1) / 2) + 1 if thickness > 1 else 1


def _hair_colour(random: np.random.Generator) -> Float[np.ndarray, "3"]:
    colours = [(0.06, 0.05, 0.05), (0.2, 0.13, 0.09), (0.35, 0.24, 0.15), (0.7, 0.55, 0.35), (0.5, 0.22, 0.1)]
    colours += [(0.6, 0.6, 0.6), (0.88, 0.87, 0.85)]
    colour = np.array(colours[random.choice(len(colours), p=[0.32, 0.26, 0.14, 0.1, 0.04, 0.09, 0.05])])
    if random.random() < 0.03:
        colour = random.uniform(0.05, 0.9, 3)
    return np.clip(colour * np.exp(random.normal(0, 0.15, 3)) * random.uniform(0.8, 1.3), 0, 1)


def _skin_tone(random: np.random.Generator) -> Float[np.ndarray, "3"]:
    fair, dark = np.array([0.93, 0.76, 0.67]), np.array([0.30, 0.19, 0.14])
    share = random.random()
    return fair * share + dark * (1 - share)


def _photo_piece(
    random: np.random.Generator, height: int, width: int, photos: Sequence[UInt8[np.ndarray, "_ _ 3"]]
) -> Float[np.ndarray, "{height} {width} 3"]:
    photo = photos[int(random.integers(len(photos)))]
    share = random.uniform(0.3, 1.0)
    side = max(2, int(min(photo.shape[0] / height, photo.shape[1] / width) * share * min(height, width)))
    tall, wide = max(2, side * height // min(height, width)), max(2, side * width // min(height, width))
    row, column = random.integers(photo.shape[0] - tall + 1), random.integers(photo.shape[1] - wide + 1)
    piece = photo[row : row + tall, column : column + wide]
    if random.random() < 0.5:
        piece = piece[:, ::-1]
    way = cv2.INTER_AREA if tall > height else cv2.INTER_LINEAR
    picture = cv2.resize(piece, (width, height), interpolation=way).astype(np.float32) / 255
    if random.random() < 0.6:
        picture = cv2.GaussianBlur(picture, (0, 0), 0.3 + random.exponential(0.015) * width)
    return picture


def _gradient(
    random: np.random.Generator, height: int, width: int
) -> Float[np.ndarray, "{height} {width} 3"]:
    cells = random.integers(2, 5)
    base = random.uniform(0, 1, 3)
    corners = np.clip(base + random.normal(0, random.uniform(0.02, 0.25), (cells, cells, 3)), 0, 1)
    large = cv2.resize(corners.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(large, 0, 1)


def _noise(
    random: np.random.Generator, height: int, width: int, finest: int = 2
) -> Float[np.ndarray, "{height} {width}"]:
    """Noise of several sizes, about -1 to 1; `finest` is the size of its smallest grains in pixels."""
    total = np.zeros((height, width), np.float32)
    size, weight = max(height, width) / 2, 1.0
    while size >= finest:
        cells = max(2, round(width / size)), max(2, round(height / size))
        cells = min(cells[0], _NOISE_SIZE), min(cells[1], _NOISE_SIZE)
        grid = random.uniform(-1, 1, cells[::-1]).astype(np.float32)
        total += weight * cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR)
        size, weight = size / 3, weight * 0.7
    return total / 1.5


def _blob(random: np.random.Generator, middle: np.ndarray, radius: float) -> Float[np.ndarray, "point 2"]:
    """Corners of an ellipse, a rectangle, a polygon or a rounded thing, turned at random."""
    kind = random.integers(4)
    count = (32, 4, int(random.integers(3, 8)), int(random.integers(4, 8)))[kind]
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False) + np.pi / 4
    if kind >= 2:
        angle = np.sort(random.uniform(0, 2 * np.pi, count))
    reach = random.uniform(0.5, 1.2, count) if kind >= 2 else np.ones(count)
    points = np.stack([np.cos(angle), np.sin(angle)], 1) * reach[:, None]
    points = points * random.uniform(0.4, 1.4, 2) * radius
    if kind == 3:
        points = _smooth(np.concatenate([points, points[:1]]), 8)
    turn = random.uniform(0, 2 * np.pi)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return points @ rotation.T + middle


def _smooth(points: np.ndarray, steps: int) -> Float[np.ndarray, "point 2"]:
    """A Catmull-Rom curve through points, so many steps between each two."""
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    a, b, c, d = padded[:-3, None], padded[1:-2, None], padded[2:-1, None], padded[3:, None]
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return np.concatenate([curve.reshape(-1, 2), points[-1:]])


def _colour_at(picture: Picture, mask: Mask, points: Float[np.ndarray, "point 2"]) -> Float[np.ndarray, "3"]:
    """The mean colour at points that lie in a mask; of a skin where none does."""
    height, width = mask.shape
    columns, rows = np.floor(points).astype(int).T.clip(0, [[width - 1], [height - 1]])
    known = mask[rows, columns] > 0.5
    if not known.any():
        return np.array([0.6, 0.45, 0.38])
    return picture[rows[known], columns[known]].mean(0)


def _layer(shape: tuple[int, int]) -> Layer:
    return np.zeros((*shape, 4), np.uint8)


def _bytes(colour: np.ndarray, alpha: int = 255) -> tuple[int, ...]:
    return (*(round(255 * value) for value in np.clip(colour, 0, 1).tolist()), alpha)


def _fill(layer: Layer, points: np.ndarray, colour: np.ndarray, alpha: int = 255) -> None:
    corners = np.round((np.clip(points, -8000, 8000) - 0.5) * (1 << _FRACTION)).astype(np.int32)
    cv2.fillPoly(layer, [corners], _bytes(colour, alpha), cv2.LINE_AA, _FRACTION)


def _line(layer: Layer, points: np.ndarray, colour: np.ndarray, thickness: int, closed: bool = False) -> None:
    corners = np.round((np.clip(points, -8000, 8000) - 0.5) * (1 << _FRACTION)).astype(np.int32)
    cv2.polylines(layer, [corners], closed, _bytes(colour), thickness, cv2.LINE_AA, _FRACTION)


def _textured(layer: Layer, random: np.random.Generator, strength: float) -> Layer:
    """The layer with its lightness varied."""
    noise = 1 + strength * _noise(random, *layer.shape[:2])
    colours = np.minimum(layer[..., :3] * noise[..., None], layer[..., 3:])
    return np.concatenate([np.clip(colours, 0, 255).astype(np.uint8), layer[..., 3:]], -1)


def _laid(picture: Picture, layer: Layer, shadow: float) -> Picture:
    """A layer laid over a picture, with a soft shadow beside it."""
    values = layer.astype(np.float32) / 255
    cover = values[..., 3:]
    if shadow:
        width = 0.012 * picture.shape[1]
        soft = cv2.GaussianBlur(cover[..., 0], (0, 0), width)
        moved = np.roll(soft, max(1, round(width)), 0)
        picture = picture * (1 - shadow * moved[..., None])
    return picture * (1 - cover) + values[..., :3]


def _covered(picture: Picture, skin: Mask, layer: Layer, shadow: float) -> tuple[Picture, Mask]:
    return _laid(picture, layer, shadow), skin * (1 - layer[..., 3].astype(np.float32) / 255)


def _outside(model: SceneModel, points: np.ndarray, grow: float) -> np.ndarray:
    """Points moved out of the ellipsoid of the head."""
    relative = (points - model.centre) / (grow * model.radii)
    length = np.linalg.norm(relative, axis=1, keepdims=True)
    return model.centre + relative * np.maximum(1, 1 / np.maximum(length, 1e-6)) * (grow * model.radii)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _normals(data: HeadData) -> Float[np.ndarray, "vertex 3"]:
    import torch

    vertices = torch.from_numpy(data.template_vertices)[None]
    return vertex_normals(vertices, torch.from_numpy(data.triangles))[0].double().numpy()
