"""Rendered training samples on disk, so that an image is drawn once and looked at many times.

One file per block of samples: JPEG images back to back, and their labels. The cache belongs to
whoever filled it; delete the folder to draw anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

JPEG_QUALITY = 95


class LabelledImage(Protocol):
    """What a data source yields; any renderer's sample fits."""

    @property
    def image(self) -> npt.NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB."""
        ...

    @property
    def boxes(self) -> npt.NDArray[np.float32]:
        """(N, 4) float32 x1 y1 x2 y2 in pixels of the image."""
        ...

    @property
    def class_ids(self) -> npt.NDArray[np.int64]:
        """(N,) int64."""
        ...

    @property
    def ignore(self) -> npt.NDArray[np.bool_]:
        """(N,) bool: neither demand nor punish a detection there."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class CachedSample:
    """A sample with its image still compressed; fields as in `LabelledImage`."""

    jpeg: npt.NDArray[np.uint8]
    boxes: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.int64]
    ignore: npt.NDArray[np.bool_]

    @property
    def image(self) -> npt.NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB, decompressed on every access."""
        decoded = cv2.imdecode(self.jpeg, cv2.IMREAD_COLOR)
        if decoded is None:
            raise ValueError("a cached image is damaged; delete the cache folder")
        return np.ascontiguousarray(decoded[..., ::-1], np.uint8)


def write_block(path: Path, samples: Iterable[LabelledImage]) -> None:
    """Stores samples in one file; readers see it whole or not at all."""
    stored = list(samples)
    jpegs = [_compressed(sample.image) for sample in stored]
    partial = path.with_suffix(".partial")
    with partial.open("wb") as stream:
        np.savez(
            stream,
            jpeg=np.concatenate(jpegs),
            jpeg_sizes=np.array([len(jpeg) for jpeg in jpegs]),
            counts=np.array([len(sample.boxes) for sample in stored]),
            boxes=np.concatenate([sample.boxes.reshape(-1, 4) for sample in stored]),
            class_ids=np.concatenate([sample.class_ids for sample in stored]),
            ignore=np.concatenate([sample.ignore for sample in stored]),
        )
    partial.rename(path)


def read_block(path: Path) -> list[CachedSample]:
    """The samples of one file, in the order in which they were written."""
    with np.load(path) as block:
        jpegs = np.split(block["jpeg"], np.cumsum(block["jpeg_sizes"])[:-1])
        cuts = np.cumsum(block["counts"])[:-1]
        boxes = np.split(block["boxes"].astype(np.float32), cuts)
        class_ids = np.split(block["class_ids"].astype(np.int64), cuts)
        ignore = np.split(block["ignore"].astype(np.bool_), cuts)
    return [CachedSample(*fields) for fields in zip(jpegs, boxes, class_ids, ignore, strict=True)]


def read_cache(folder: Path, limit: int | None = None) -> list[CachedSample]:
    """All samples of a folder by file name, at most `limit`."""
    samples: list[CachedSample] = []
    for path in sorted(folder.glob("*.npz")):
        if limit is not None and len(samples) >= limit:
            break
        samples.extend(read_block(path))
    return samples[:limit]


def _compressed(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    done, jpeg = cv2.imencode(
        ".jpg",
        np.ascontiguousarray(image[..., ::-1]),
        [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY],
    )
    if not done:
        raise ValueError(f"cannot compress an image of shape {image.shape}")
    return np.asarray(jpeg, np.uint8).ravel()
