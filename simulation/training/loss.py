"""The training loss: binary cross-entropy on quality scores and generalised IoU on boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from simulation.training.assignment import TINY, Points, assign, pairwise_overlap

BOX_WEIGHT = 4.0
NEGATIVE_WEIGHT = 0.75


@dataclass(frozen=True, slots=True)
class Labels:
    """One image's objects: (G, 4) boxes, (G,) classes, (G,) ignored."""

    boxes: Tensor
    classes: Tensor
    ignored: Tensor


@dataclass(frozen=True, slots=True)
class LossParts:
    """The total with its parts, for the log."""

    total: Tensor
    score: float
    box: float


def decode(raw: Tensor, points: Points) -> Tensor:
    """Raw distances (N, A, 4) in strides → boxes (N, A, 4) in pixels."""
    distances = raw * points.strides.unsqueeze(-1)
    near = points.centres - distances[..., :2]
    far = points.centres + distances[..., 2:]
    return torch.cat((near, far), -1)


def detection_loss(
    raw: Tensor, points: Points, labels: Sequence[Labels], focus: float = 0.0
) -> LossParts:
    """Loss of a batch.

    Args:
        raw: (N, 4 + C, A) predictions of the network, float32.
        points: The anchor points.
        labels: One entry per image.
        focus: Above 0, negatives count with 0.75 * score^focus (Zhang et al., "VarifocalNet",
            2021): nearly all points see background, which calms the first steps of training.
            At 0 all count fully, which tells look-alike classes apart sooner.
    """
    rows = raw.transpose(1, 2)
    boxes, logits = decode(rows[..., :4], points), rows[..., 4:]
    with torch.no_grad():
        scores = logits.sigmoid()
        assigned = [
            assign(points, scores[i], boxes[i].detach(), one.boxes, one.classes, one.ignored)
            for i, one in enumerate(labels)
        ]
        targets = torch.stack([one.scores for one in assigned])
        demanded = torch.stack([one.demanded for one in assigned])
        if focus > 0:
            hard = NEGATIVE_WEIGHT * scores.pow(focus)
            demanded = demanded * torch.where(targets > 0, 1.0, hard)
        normaliser = targets.sum().clamp(min=1.0)
    score_loss = (
        binary_cross_entropy_with_logits(logits, targets, reduction="none") * demanded
    ).sum() / normaliser
    losses = []
    for index, one in enumerate(assigned):
        quality = one.scores[one.positive].amax(1)
        losses.append((_box_loss(boxes[index, one.positive], one.boxes) * quality).sum())
    box_loss = torch.stack(losses).sum() / normaliser
    total = score_loss + BOX_WEIGHT * box_loss
    return LossParts(total, float(score_loss.detach()), float(box_loss.detach()))


def _box_loss(predicted: Tensor, wanted: Tensor) -> Tensor:
    """1 - generalised IoU (Rezatofighi et al., 2019)."""
    hull = torch.maximum(predicted[:, 2:], wanted[:, 2:]) - torch.minimum(
        predicted[:, :2], wanted[:, :2]
    )
    hull_area = hull.clamp(min=0).prod(-1) + TINY
    overlap = pairwise_overlap(predicted, wanted)
    areas = [(box[:, 2:] - box[:, :2]).clamp(min=0).prod(-1) for box in (predicted, wanted)]
    union = (areas[0] + areas[1]) / (1.0 + overlap)
    return 1.0 - (overlap - (hull_area - union) / hull_area)
