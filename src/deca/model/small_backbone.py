"""The small backbone: separable residual blocks without normalisation, for processors and browsers.

Its first part has the layers of MediaPipe's face mesh (Kartynnik et al. 2019; blocks of BlazeFace, Bazarevsky
et al. 2019), so that it can start from that network's openly licensed weights and knows faces before it is
trained.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, channels_last, nn
from torch.nn.functional import avg_pool2d, pad

# Channels of each size of the picture, from half of it on; every size but the first begins with a block of
# stride 2.
_STAGES = (16, 32, 64, 128, 128)
_BLOCKS = 2
_WIDE = 256
_POINTS = 468
POINT_FEATURES = 128
_POINT_CHANNELS = 32
# The picture itself, that small: colours and light are read from it more easily than from what knows shapes.
_SMALL_PICTURE = 12
MIXED_FEATURES = 512
_OTHERS = _WIDE * 3 * 3 + sum(_STAGES) + 3 * _SMALL_PICTURE**2
IMAGE_SIZE = 192


class SeparableBlock(nn.Module):
    """A depthwise 3x3 and a 1x1 convolution beside a shortcut, then PReLU; stride 2 pools the shortcut."""

    def __init__(self, channels: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.depthwise = nn.Conv2d(channels, channels, 3, stride, 1 if stride == 1 else 0, groups=channels)
        self.pointwise = nn.Conv2d(channels, out, 1)
        self.activation = nn.PReLU(out)
        self.pool = nn.MaxPool2d(2) if stride == 2 else nn.Identity()
        self.more = out - channels

    def forward(self, x: Float[Tensor, "batch _ _ _"]) -> Float[Tensor, "batch _ _ _"]:
        """The shortcut, with zeros for channels that it lacks, plus what the convolutions add to it."""
        # Below and to the right alone, as TensorFlow pads a picture of even size under stride 2.
        wide = pad(x, (0, 1, 0, 1)) if self.stride == 2 else x
        shortcut = self.pool(x)
        if self.more:
            shortcut = pad(shortcut, (0, 0, 0, 0, 0, self.more))
        return self.activation(shortcut + self.pointwise(self.depthwise(wide)))


class FacePoints(nn.Module):
    """The last layers of the face mesh: 6 x 6 places of 128 channels to 468 points in the image frame."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            SeparableBlock(channels, channels, 2),
            SeparableBlock(channels, channels),
            SeparableBlock(channels, channels),
        )
        self.reduce = nn.Conv2d(channels, _POINT_CHANNELS, 1)
        self.reduce_activation = nn.PReLU(_POINT_CHANNELS)
        self.last_block = SeparableBlock(_POINT_CHANNELS, _POINT_CHANNELS)
        self.points = nn.Conv2d(_POINT_CHANNELS, 3 * _POINTS, 3)

    def forward(self, x: Float[Tensor, "batch _ 6 6"]) -> Float[Tensor, "batch 936"]:
        """x and y of the points, one point after the other; depth is left out."""
        x = self.last_block(self.reduce_activation(self.reduce(self.blocks(x))))
        pixels = self.points(x).flatten(1).unflatten(1, (_POINTS, 3))[..., :2]
        return pixels.flatten(1) * (2 / IMAGE_SIZE) - 1


class SmallBackbone(nn.Module):
    """Images of 192 x 192, and the 468 points found in them, to 640 features and points of its own.

    128 features are the places of the points: `place` takes these to numbers of about unit size, one for each
    way in which faces differ most (see tools/default_networks/face_mesh_weights.py). 512 are of everything
    else: 3 x 3 places of 256 channels, the means of the channels of every size before, the picture itself at
    12 x 12 pixels, and the places of the points that the backbone finds itself, which see more of a profile.
    Where no points were found, its own take their place.
    """

    def __init__(self) -> None:
        super().__init__()
        first, *others = _STAGES
        self.first = nn.Conv2d(3, first, 3, 2)
        self.first_activation = nn.PReLU(first)
        sizes = [nn.Sequential(*(SeparableBlock(first, first) for _ in range(_BLOCKS)))]
        channels = first
        for out in others:
            blocks = [SeparableBlock(channels, out, 2)]
            blocks += [SeparableBlock(out, out) for _ in range(_BLOCKS)]
            sizes.append(nn.Sequential(*blocks))
            channels = out
        self.face_mesh = nn.ModuleList(sizes)
        self.face_points = FacePoints(channels)
        self.place = nn.Linear(2 * _POINTS, POINT_FEATURES)
        self.wide = nn.Sequential(
            SeparableBlock(channels, _WIDE),
            SeparableBlock(_WIDE, _WIDE),
            SeparableBlock(_WIDE, _WIDE, 2),
            SeparableBlock(_WIDE, _WIDE),
        )
        self.norm = nn.LayerNorm(_OTHERS)
        self.mix = nn.Linear(_OTHERS + 2 * POINT_FEATURES, MIXED_FEATURES)
        self.mix_activation = nn.PReLU(MIXED_FEATURES)

    def forward(
        self, image: Float[Tensor, "batch 3 192 192"], points: Float[Tensor, "batch 468 3"]
    ) -> tuple[Float[Tensor, "batch 512"], Float[Tensor, "batch 128"], Float[Tensor, "batch 468 2"]]:
        """Features of images of RGB in [0, 1], those of the points alone, and the backbone's own points.

        `points` are (x, y) in the image frame and how sure they are, 0 where none was found.
        """
        # Depthwise convolutions run a quarter faster where a pixel's channels lie side by side.
        image = image.contiguous(memory_format=channels_last)
        x = self.first_activation(self.first(pad(image, (0, 1, 0, 1))))
        means = []
        for blocks in self.face_mesh:
            x = blocks(x)
            means.append(x.mean((2, 3)))
        own = self.face_points(x).float().unflatten(1, (_POINTS, 2))
        places = self.place(torch.lerp(own, points[..., :2], points[..., 2:]).flatten(1))
        own_places = self.place(own.flatten(1))
        small = avg_pool2d(image, IMAGE_SIZE // _SMALL_PICTURE)
        # Of the size of the other features, so that the norm leaves something of it.
        others = self.norm(torch.cat([self.wide(x).flatten(1), *means, 4 * small.flatten(1) - 2], 1))
        mixed = self.mix_activation(self.mix(torch.cat([others, places, own_places], 1)))
        return mixed, places, own
