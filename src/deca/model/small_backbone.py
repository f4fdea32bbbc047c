"""The small backbone: separable residual blocks without normalisation, for processors and browsers.

Its first part has the layers of MediaPipe's face mesh (Kartynnik et al. 2019; blocks of BlazeFace, Bazarevsky
et al. 2019), so that it can start from that network's openly licensed weights and knows faces before it is
trained.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, channels_last, nn
from torch.nn.functional import pad

# Channels of each size of the picture, from half of it on; every size but the first begins with a block of
# stride 2.
_STAGES = (16, 32, 64, 128, 128)
_BLOCKS = 2
_WIDE = 256
FEATURES = _WIDE * 3 * 3
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


class SmallBackbone(nn.Module):
    """Images of 192 x 192 to 2,304 features: 3 x 3 places of 256 channels, so that positions are kept."""

    def __init__(self) -> None:
        super().__init__()
        first, *others = _STAGES
        self.first = nn.Conv2d(3, first, 3, 2)
        self.first_activation = nn.PReLU(first)
        blocks: list[nn.Module] = [SeparableBlock(first, first) for _ in range(_BLOCKS)]
        channels = first
        for out in others:
            blocks += [SeparableBlock(channels, out, 2)]
            blocks += [SeparableBlock(out, out) for _ in range(_BLOCKS)]
            channels = out
        self.face_mesh = nn.Sequential(*blocks)
        self.wide = nn.Sequential(
            SeparableBlock(channels, _WIDE),
            SeparableBlock(_WIDE, _WIDE),
            SeparableBlock(_WIDE, _WIDE, 2),
            SeparableBlock(_WIDE, _WIDE),
        )

    def forward(self, image: Float[Tensor, "batch 3 192 192"]) -> Float[Tensor, "batch 2304"]:
        """Features of images of RGB in [0, 1]."""
        # Depthwise convolutions run a quarter faster where a pixel's channels lie side by side.
        image = image.contiguous(memory_format=channels_last)
        x = self.first_activation(self.first(pad(image, (0, 1, 0, 1))))
        return self.wide(self.face_mesh(x)).flatten(1)
