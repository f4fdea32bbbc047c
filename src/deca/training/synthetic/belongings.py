"""What people wear and hold: clothes, beards, spectacles, hats, masks, hands and things before the face."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float

from deca.training.synthetic.head_view import HeadPlaces, HeadView
from deca.training.synthetic.layers import (
    Layer,
    Mask,
    Picture,
    blob,
    calm_colour,
    fill,
    lay,
    line,
    new_layer,
    noise,
    smooth,
    textured,
)

Landmarks = Float[np.ndarray, "68 2"]


def body(
    places: HeadPlaces,
    view: HeadView,
    random: np.random.Generator,
    colour: Float[np.ndarray, "3"],
    shape: tuple[int, int],
) -> tuple[Layer, Layer]:
    """What lies behind the neck and in front of it: shoulders and a collar, upright in the picture."""
    height = places.neck[:, 1]
    base = places.neck[height < np.quantile(height, 0.3)].mean(0)
    centre, scale = view.pixels(base[None])[0], view.scale
    width, drop = random.uniform(0.19, 0.26) * scale, random.uniform(0.03, 0.09) * scale
    neck, depth = random.uniform(0.065, 0.09) * scale, random.uniform(-0.02, 0.07) * scale
    bottom = shape[0] + scale
    left = np.array([[-1.3 * width, bottom], [-width, drop + 0.04 * scale], [-0.8 * width, drop]])
    right = left[::-1] * [-1, 1]
    # A round neckline or an open collar.
    if random.random() < 0.6:
        collar = smooth(np.array([[-neck, -0.015 * scale], [0, depth], [neck, -0.015 * scale]]), 12)
    else:
        collar = np.array([[-neck, -0.02 * scale], [0, 0.04 * scale + depth], [neck, -0.02 * scale]])
    back = smooth(np.array([[-neck, -0.02 * scale], [0, -0.035 * scale], [neck, -0.02 * scale]]), 8)
    behind, before = new_layer(*shape), new_layer(*shape)
    fill(behind, centre + np.concatenate([left, back, right]), 0.7 * colour)
    fill(before, centre + np.concatenate([left, collar, right]), colour)
    if random.random() < 0.4:
        thickness = max(1, round(random.uniform(0.004, 0.02) * scale))
        line(
            before,
            centre + collar,
            np.clip(colour + random.normal(0, 0.15) + random.normal(0, 0.05, 3), 0, 1),
            thickness,
        )
    return textured(behind, random, 0.1), textured(before, random, random.uniform(0.05, 0.35))


def beard(
    picture: Picture,
    skin: Mask,
    landmarks: Landmarks,
    colour: Float[np.ndarray, "3"],
    random: np.random.Generator,
) -> tuple[Picture, Mask]:
    """Stubble or a beard on chin, cheeks and upper lip; skin counts the less the denser it is."""
    height, width = skin.shape
    inside = new_layer(height, width)
    jaw, mouth, nose = landmarks[2:15], landmarks[48:60], landmarks[31:36]
    lower = jaw * 0.97 + 0.03 * landmarks[51:52]
    ends = lower[[-1, 0]] * 0.6 + mouth[[6, 0]] * 0.4
    if random.random() < 0.25:
        # A goatee leaves the cheeks bare.
        lower, ends = lower[4:9], (mouth[[6, 0]] + 0.3 * (mouth[[6, 0]] - mouth[[9, 9]]))
    fill(inside, np.concatenate([lower, ends[:1], nose[::-1], ends[1:]]), np.ones(3))
    fill(inside, mouth, np.zeros(3), 0)
    apart = max(float(np.linalg.norm(landmarks[45] - landmarks[36])), 4.0)
    soft = cv2.GaussianBlur(inside[..., 3].astype(np.float32) / 255, (0, 0), 0.05 * apart)
    density = random.uniform(0.1, 0.85)
    grain = 1 + 0.6 * noise(random, height, width, zoom=0.7)
    share = (np.clip(soft * density * grain, 0, 1) * skin).astype(np.float32)
    return picture + share[..., None] * (0.8 * colour.astype(np.float32) - picture), skin * (1 - share)


def spectacles(
    places: HeadPlaces,
    picture: Picture,
    skin: Mask,
    landmarks: Landmarks,
    random: np.random.Generator,
) -> tuple[Picture, Mask]:
    """Rims, bridge and temples of spectacles that follow the head, with clear, mirroring or dark glass."""
    view = places.view(landmarks)
    eyes = places.landmarks[[19, 22, 25, 28]]
    right, left = eyes[:2].mean(0), eyes[2:].mean(0)
    apart = left[0] - right[0]
    half = np.array([random.uniform(0.36, 0.45), random.uniform(0.24, 0.42)]) * apart
    power = random.uniform(2.0, 5.0)
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    outline = np.stack([np.cos(angle), np.sin(angle)], 1)
    outline /= (np.abs(outline) ** power).sum(1, keepdims=True) ** (1 / power)
    front = max(right[2], places.landmarks[10:12, 2].mean() - 0.006) + 0.012
    rims = []
    for eye, side in ((right, -1), (left, 1)):
        rim = np.zeros((len(angle), 3))
        rim[:, :2] = outline * half
        # Spectacles bend back towards the temples.
        rim[:, 2] = -0.25 * side * rim[:, 0]
        rims.append(rim + np.array([side * apart * 0.49, eye[1] - 0.1 * half[1], front]))
    shape = skin.shape
    thickness = max(1, round(random.uniform(0.0008, 0.0045) * view.scale))
    colour = random.uniform(0, 0.3) * np.ones(3) if random.random() < 0.75 else random.uniform(0.05, 0.7, 3)
    dark = random.random() < 0.2
    tint = (random.uniform(0, 0.15) if dark else random.uniform(0.7, 1.0)) * np.ones(3)
    opacity = random.uniform(0.6, 0.97) if dark else min(random.exponential(0.05), 0.35)
    glass = new_layer(*shape)
    for rim in rims:
        fill(glass, view.pixels(rim), tint)
    mirrored = np.clip(opacity * (1 + (0.1 if dark else 0.8) * noise(random, *shape, zoom=3.0)), 0, 1)
    share = (glass[..., 3].astype(np.float32) / 255) * mirrored
    picture = picture + share[..., None] * (tint.astype(np.float32) - picture)
    skin = skin * (1 - share)
    frame = new_layer(*shape)
    if random.random() < 0.85:
        for rim in rims:
            line(frame, view.pixels(rim), colour, thickness, closed=True)
    middle = len(angle) // 2
    line(frame, view.pixels(np.stack([rims[0][0], rims[1][middle]])), colour, thickness)
    ear = places.centre[2] + 0.1 * places.radii[2]
    for rim, index, side in ((rims[0], middle, -1), (rims[1], 0, 1)):
        # Of the temples only that on the side turned to the viewer shows.
        if side * view.toward[0] > -0.1:
            hook = np.array([side * places.radii[0], rim[index, 1], ear])
            line(frame, view.pixels(np.stack([rim[index], hook])), colour, thickness)
    return lay(picture, skin, frame, 0.3)


def hat(
    places: HeadPlaces,
    picture: Picture,
    skin: Mask,
    landmarks: Landmarks,
    random: np.random.Generator,
) -> tuple[Picture, Mask]:
    """A cap, a woollen hat or a brimmed hat over the upper head."""
    view = places.view(landmarks)
    low = places.landmarks[:10, 1].max() + random.uniform(0.012, 0.045)
    tilt, forehead = random.uniform(-0.35, 0.1), places.landmarks[:10, 2].max()
    shell = places.scalp + places.normals * random.uniform(0.006, 0.02)
    upper = shell[shell[:, 1] > low - tilt * (shell[:, 2] - forehead)]
    if len(upper) < 3:
        return picture, skin
    colour = calm_colour(random)
    layer = new_layer(*skin.shape)
    fill(layer, cv2.convexHull(view.pixels(upper).astype(np.float32))[:, 0].astype(np.float64), colour)
    if random.random() < 0.6:
        # A peak in front, or a brim all around.
        angle = np.linspace(-1.3, 1.3, 24) if random.random() < 0.7 else np.linspace(-np.pi, np.pi, 48)
        grow, drop = 1.1 + random.uniform(0.05, 0.45) * np.array([0.4, 1.0]), random.uniform(0, 0.02)
        rings = []
        for wide, deep, down in ((1.05, 1.05, 0.0), (grow[0], grow[1], drop)):
            x = wide * places.radii[0] * np.sin(angle)
            z = places.centre[2] + deep * places.radii[2] * np.cos(angle)
            rings.append(np.stack([x, low - down - tilt * (z - forehead), z], 1))
        fill(layer, view.pixels(np.concatenate([rings[0], rings[1][::-1]])), 0.75 * colour)
    return lay(picture, skin, textured(layer, random, random.uniform(0.1, 0.3)), 0.4)


def face_mask(
    picture: Picture, skin: Mask, landmarks: Landmarks, random: np.random.Generator
) -> tuple[Picture, Mask]:
    """A cloth over nose, mouth and chin, as worn against infection or cold."""
    layer = new_layer(*skin.shape)
    jaw, bridge = landmarks[2:15], landmarks[28:30].mean(0)
    nose = bridge + 0.15 * (landmarks[[14, 2]] - bridge)
    middle = landmarks[51:52]
    colour = calm_colour(random) if random.random() < 0.5 else np.array([0.75, 0.85, 0.92])
    fill(layer, np.concatenate([middle + 1.03 * (jaw - middle), nose[:1], bridge[None], nose[1:]]), colour)
    for share in np.linspace(0.25, 0.75, int(random.integers(0, 4))):
        fold = (1 - share) * bridge + share * landmarks[8]
        ends = (1 - share) * landmarks[[2, 14]] + share * landmarks[[5, 11]]
        points = np.stack([0.85 * ends[0] + 0.15 * fold, fold, 0.85 * ends[1] + 0.15 * fold])
        line(layer, smooth(points, 8), 0.85 * colour, 1)
    return lay(picture, skin, textured(layer, random, 0.15), 0.3)


def occluder(
    picture: Picture, skin: Mask, landmarks: Landmarks, random: np.random.Generator
) -> tuple[Picture, Mask]:
    """A hand, or some thing with a texture, in front of a part of the face."""
    low, high = landmarks.min(0), landmarks.max(0)
    size = float((high - low).mean())
    # Mostly at the face's edge: what covers its middle leaves nothing to learn.
    angle = random.uniform(0, 2 * np.pi)
    middle = (low + high) / 2 + random.uniform(0.4, 0.8) * size * np.array([np.cos(angle), np.sin(angle)])
    layer = new_layer(*skin.shape)
    if random.random() < 0.5:
        own = random.random() < 0.75
        tone = colour_at(picture, skin, landmarks[[30, 33, 8]]) if own else _skin_tone(random)
        _draw_hand(layer, middle, 0.5 * size, angle + np.pi + random.normal(0, 0.5), tone, random)
        layer = textured(layer, random, 0.12)
    else:
        fill(layer, blob(random, middle, random.uniform(0.12, 0.4) * size), calm_colour(random))
        layer = textured(layer, random, random.uniform(0.05, 0.5))
    return lay(picture, skin, layer, 0.35)


def colour_at(picture: Picture, mask: Mask, points: Float[np.ndarray, "point 2"]) -> Float[np.ndarray, "3"]:
    """The mean colour at points that lie in a mask; of a middling skin where none does."""
    height, width = mask.shape
    columns, rows = np.floor(points).astype(int).T.clip(0, [[width - 1], [height - 1]])
    known = mask[rows, columns] > 0.5
    if not known.any():
        return np.array([0.6, 0.45, 0.38])
    return picture[rows[known], columns[known]].mean(0)


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
    turn = np.linspace(0, 2 * np.pi, 24)
    palm = np.stack([0.42 * np.cos(turn), 0.38 * np.sin(turn)], 1) * length
    line(layer, np.stack([middle, middle - 3 * length * along]), 0.85 * colour, max(1, round(0.55 * length)))
    fill(layer, middle + palm[:, :1] * along + palm[:, 1:] * across, colour)
    width = max(1, round(0.19 * length))
    spread = random.uniform(0.8, 1.2)
    for finger, offset in enumerate((-0.29, -0.1, 0.1, 0.28)):
        root = middle + length * (0.25 * along + offset * across)
        bend = random.normal(0, 0.1) + 0.35 * spread * offset
        reach = random.uniform(0.45, 0.6) if finger in (0, 3) else random.uniform(0.55, 0.75)
        knuckle = root + 0.55 * length * reach * (along + bend * across)
        tip = knuckle + 0.45 * length * reach * (along + 1.6 * bend * across)
        shade = colour * (1 - 0.06 * (finger % 2))
        line(layer, np.stack([root, knuckle, tip]), 0.75 * shade, width + 2)
        line(layer, np.stack([root, knuckle, tip]), shade, width)
    thumb = middle + length * (0.1 * along + 0.32 * across * random.choice([-1, 1]))
    line(layer, np.stack([middle, thumb, thumb + 0.35 * length * along]), colour, width + 1)


def _skin_tone(random: np.random.Generator) -> Float[np.ndarray, "3"]:
    fair, dark = np.array([0.93, 0.76, 0.67]), np.array([0.30, 0.19, 0.14])
    share = random.random()
    return fair * share + dark * (1 - share)
