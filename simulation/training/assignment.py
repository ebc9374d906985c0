"""Which anchor point answers for which object while training, and how well it should score.

Task-aligned assignment after Feng et al., "TOOD: Task-aligned One-stage Object Detection" (2021):
points near an object compete with score^a * IoU^b, the best few become positive, and their target
score is their relative rank in that measure, scaled to the object's best overlap.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

SCORE_POWER = 0.5
OVERLAP_POWER = 4.0
POINTS_PER_OBJECT = 10
CENTRE_RADIUS_STRIDES = 1.2
"""Objects smaller than a cell may hold no point at all; points this near the centre count too."""
TINY = 1e-9


@dataclass(frozen=True, slots=True)
class Points:
    """All anchor points: (A, 2) centres in pixels and (A,) strides."""

    centres: Tensor
    strides: Tensor


@dataclass(frozen=True, slots=True)
class Assignment:
    """Targets of one image.

    Attributes:
        positive: (P,) indices of positive points.
        boxes: (P, 4) their objects' boxes in pixels.
        scores: (A, C) target scores.
        demanded: (A, C) 0 where a class must be neither demanded nor punished, else 1.
    """

    positive: Tensor
    boxes: Tensor
    scores: Tensor
    demanded: Tensor


def pairwise_overlap(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of boxes (..., 4) with boxes (..., 4), element by element."""
    near = torch.maximum(first[..., :2], second[..., :2])
    far = torch.minimum(first[..., 2:], second[..., 2:])
    common = (far - near).clamp(min=0).prod(-1)
    areas = [(box[..., 2:] - box[..., :2]).clamp(min=0).prod(-1) for box in (first, second)]
    return common / (areas[0] + areas[1] - common + TINY)


def assign(
    points: Points, scores: Tensor, boxes: Tensor, objects: Tensor, classes: Tensor, ignored: Tensor
) -> Assignment:
    """Assigns one image's objects.

    Args:
        points: The anchor points.
        scores: (A, C) predicted scores.
        boxes: (A, 4) predicted boxes in pixels.
        objects: (G, 4) boxes of all labelled objects.
        classes: (G,) their classes.
        ignored: (G,) true for those that are neither demanded nor punished.
    """
    targets = torch.zeros_like(scores)
    demanded = _demanded(points, scores, objects[ignored], classes[ignored])
    objects, classes = objects[~ignored], classes[~ignored]
    if not len(objects):
        none = torch.zeros(0, dtype=torch.long)
        return Assignment(none, torch.zeros(0, 4), targets, demanded)
    measure, overlap = _alignment(points, scores, boxes, objects, classes)
    best, chosen = measure.topk(min(POINTS_PER_OBJECT, measure.shape[1]), dim=1)
    mask = torch.zeros_like(measure).scatter_(1, chosen, (best > 0).to(measure.dtype))
    # A point can answer for one object only: the one that it overlaps most.
    contested = mask.sum(0) > 1
    winner = (overlap * mask).argmax(0)
    mask[:, contested] = 0
    mask[winner[contested], contested.nonzero().squeeze(1)] = 1
    measure, overlap = measure * mask, overlap * mask
    relative = measure / (measure.amax(1, keepdim=True) + TINY) * overlap.amax(1, keepdim=True)
    positive = (mask.sum(0) > 0).nonzero().squeeze(1)
    owner = mask[:, positive].argmax(0)
    targets[positive, classes[owner]] = relative.amax(0)[positive]
    demanded[positive, classes[owner]] = 1.0
    return Assignment(positive, objects[owner], targets, demanded)


def _alignment(
    points: Points, scores: Tensor, boxes: Tensor, objects: Tensor, classes: Tensor
) -> tuple[Tensor, Tensor]:
    """Measure and overlap, each (G, A), zero where a point is not near the object."""
    x, y = points.centres[:, 0], points.centres[:, 1]
    left, top, right, bottom = (side.unsqueeze(1) for side in objects.unbind(1))
    inside = (x > left) & (x < right) & (y > top) & (y < bottom)
    reach = points.strides * CENTRE_RADIUS_STRIDES
    close = ((x - (left + right) / 2).abs() < reach) & ((y - (top + bottom) / 2).abs() < reach)
    # Coarse points must not answer for what is smaller than a third of their cell.
    small = (torch.maximum(right - left, bottom - top)) < points.strides / 2
    rows, columns = ((inside | close) & ~small).nonzero(as_tuple=True)
    overlap_of_pair = pairwise_overlap(boxes[columns], objects[rows])
    score_of_pair = scores[columns, classes[rows]]
    shape = (len(objects), len(points.strides))
    overlap, measure = torch.zeros(shape), torch.zeros(shape)
    overlap[rows, columns] = overlap_of_pair
    measure[rows, columns] = score_of_pair**SCORE_POWER * overlap_of_pair**OVERLAP_POWER + TINY
    return measure, overlap


def _demanded(points: Points, scores: Tensor, objects: Tensor, classes: Tensor) -> Tensor:
    weights = torch.ones_like(scores)
    x, y = points.centres[:, 0], points.centres[:, 1]
    for box, class_id in zip(objects, classes, strict=True):
        margin = points.strides / 2
        covered = (
            (x > box[0] - margin)
            & (x < box[2] + margin)
            & (y > box[1] - margin)
            & (y < box[3] + margin)
        )
        weights[covered, class_id] = 0.0
    return weights
