"""Overlap of boxes: intersection over union, or the share of a detection that lies in a crowd."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.floating[Any]]


def overlaps(
    first: Boxes, second: Boxes, crowd: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.float64]:
    """Overlap of (N, 4) with (M, 4) boxes x1 y1 x2 y2: (N, M).

    Args:
        first: Detections, where it matters.
        second: Objects.
        crowd: (M,) bool; where true, the share of `first` that lies inside instead of the
            intersection over union.
    """
    one, other = first.astype(np.float64), second.astype(np.float64)
    near = np.maximum(one[:, None, :2], other[None, :, :2])
    far = np.minimum(one[:, None, 2:], other[None, :, 2:])
    common = np.clip(far - near, 0, None).prod(-1)
    mine, theirs = areas(one)[:, None], areas(other)[None, :]
    whole = mine + theirs - common
    if crowd is not None:
        whole = np.where(crowd[None, :], mine, whole)
    share: npt.NDArray[np.float64] = common / np.maximum(whole, np.finfo(np.float64).tiny)
    return share


def areas(boxes: Boxes) -> npt.NDArray[np.float64]:
    """Areas of (N, 4) boxes x1 y1 x2 y2: (N,)."""
    sides = np.clip(boxes[:, 2:].astype(np.float64) - boxes[:, :2], 0, None)
    area: npt.NDArray[np.float64] = sides[:, 0] * sides[:, 1]
    return area
