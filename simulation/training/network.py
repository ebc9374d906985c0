"""The built-in network: a small dense-convolution detector made for one CPU core.

Dense 3x3 and 1x1 convolutions with batch norm and ReLU only, because they fold into single
kernels that keep a CPU's vector units busy; depthwise convolutions have fewer multiplications and
are slower there. Strides 8, 16 and 32, one anchor point per cell, a box (left, top, right, bottom
distances in strides) and class logits per point.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model_tools.heads import STRIDES

PRIOR_PROBABILITY = 0.01
"""Initial score of every class everywhere; keeps the first training steps calm."""


@dataclass(frozen=True, slots=True)
class Widths:
    """Channel counts of the network's parts.

    Multiples of 16 wherever a wide map is concerned: ONNX Runtime's blocked kernels pad to that.
    """

    stem: tuple[int, int] = (16, 32)
    stages: tuple[int, int, int] = (64, 96, 160)
    depths: tuple[int, int, int] = (1, 2, 2)
    neck: int = 48


class ConvUnit(nn.Sequential):  # type: ignore[misc]
    """Convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03),
            nn.ReLU(inplace=True),
        )


class Stage(nn.Module):  # type: ignore[misc]
    """Halves the image, then refines half of the channels in a chain of residual units."""

    def __init__(self, inputs: int, outputs: int, depth: int) -> None:
        super().__init__()
        hidden = outputs // 2
        self.down = ConvUnit(inputs, outputs, 3, 2)
        self.enter = ConvUnit(outputs, hidden, 1)
        self.bypass = ConvUnit(outputs, hidden, 1)
        self.chain = nn.ModuleList(ConvUnit(hidden, hidden, 3) for _ in range(depth))
        self.leave = ConvUnit(2 * hidden, outputs, 1)

    def forward(self, image: Tensor) -> Tensor:
        """(N, inputs, H, W) → (N, outputs, H/2, W/2)."""
        down = self.down(image)
        refined = self.enter(down)
        for unit in self.chain:
            refined = refined + unit(refined)
        leave: Tensor = self.leave(torch.cat((refined, self.bypass(down)), 1))
        return leave


class Head(nn.Module):  # type: ignore[misc]
    """One stride's predictions: 4 box distances and one logit per class."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.shared = ConvUnit(width, width, 3)
        self.box = nn.Conv2d(width, 4, 1)
        self.score = nn.Conv2d(width, classes, 1)
        nn.init.constant_(self.box.bias, 1.0)
        prior = torch.logit(torch.tensor(PRIOR_PROBABILITY)).item()
        nn.init.constant_(self.score.bias, prior)

    def forward(self, features: Tensor) -> Tensor:
        """(N, width, H, W) → (N, 4 + classes, H, W)."""
        shared = self.shared(features)
        return torch.cat((self.box(shared), self.score(shared)), 1)


class Network(nn.Module):  # type: ignore[misc]
    """The detector: RGB image scaled to 0..1 → raw predictions of every anchor point."""

    def __init__(self, classes: int, widths: Widths | None = None) -> None:
        super().__init__()
        widths = widths or Widths()
        first, second = widths.stem
        small, middle, large = widths.stages
        neck = widths.neck
        self.stem = nn.Sequential(ConvUnit(3, first, 3, 2), ConvUnit(first, second, 3, 2))
        self.stage8 = Stage(second, small, widths.depths[0])
        self.stage16 = Stage(small, middle, widths.depths[1])
        self.stage32 = Stage(middle, large, widths.depths[2])
        self.lateral8 = ConvUnit(small, neck, 1)
        self.lateral16 = ConvUnit(middle, neck, 1)
        self.lateral32 = ConvUnit(large, neck, 1)
        self.merge16 = ConvUnit(neck, neck, 3)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.heads = nn.ModuleList(Head(neck, classes) for _ in STRIDES)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) → (N, 4 + classes, A); anchor points of stride 8 first, row by row."""
        at8 = self.stage8(self.stem(image))
        at16 = self.stage16(at8)
        top = self.lateral32(self.stage32(at16))
        middle = self.merge16(self.lateral16(at16) + self.up(top))
        bottom = self.lateral8(at8) + self.up(middle)
        maps = [
            head(level).flatten(2)
            for head, level in zip(self.heads, (bottom, middle, top), strict=True)
        ]
        return torch.cat(maps, 2)

    def narrowed(self, kept: Sequence[int]) -> Network:
        """A copy that predicts only the kept classes, in the given order."""
        copied = copy.deepcopy(self)
        for head in copied.heads:
            score = nn.Conv2d(head.score.in_channels, len(kept), 1)
            score.load_state_dict(
                {name: value[list(kept)] for name, value in head.score.state_dict().items()}
            )
            head.score = score
        return copied
