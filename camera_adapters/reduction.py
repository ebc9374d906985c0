"""Brings a plane of brightness down to the small size that signals of the image are read from."""

from __future__ import annotations

import cv2
import numpy as np

from camera_adapters.interlacing import Plane


def average(array: Plane, target: Plane) -> None:
    """Writes an image (H, W) at the size of `target`; halves cost a fraction of other steps."""
    height, width = target.shape
    while array.shape[0] >= 2 * height and array.shape[1] >= 2 * width:
        half = np.empty((array.shape[0] // 2, array.shape[1] // 2), np.uint8)
        even = array[: 2 * half.shape[0], : 2 * half.shape[1]]
        cv2.resize(even, half.shape[::-1], dst=half, interpolation=cv2.INTER_AREA)
        array = half
    cv2.resize(array, (width, height), dst=target, interpolation=cv2.INTER_LINEAR)
