"""Rendered training samples on disk, so that an image is drawn once and looked at many times.

One file per block of samples: JPEG images back to back, and their labels. The cache belongs to
whoever filled it; delete the folder to draw anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from simulation.scenes import Sample

JPEG_QUALITY = 95


@dataclass(frozen=True, slots=True, eq=False)
class CachedSample:
    """A sample with its image still compressed; other fields as in `Sample`."""

    jpeg: npt.NDArray[np.uint8]
    boxes: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.int64]
    ignore: npt.NDArray[np.bool_]

    def sample(self) -> Sample:
        """The sample with its image decompressed anew.

        Raises:
            ValueError: The image is damaged.
        """
        decoded = cv2.imdecode(self.jpeg, cv2.IMREAD_COLOR)
        if decoded is None:
            raise ValueError("a cached image is damaged; delete the cache folder")
        image = np.ascontiguousarray(decoded[..., ::-1], np.uint8)
        return Sample(image, self.boxes, self.class_ids, self.ignore)


def write_block(path: Path, samples: Iterable[Sample]) -> None:
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


def _compressed(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    done, jpeg = cv2.imencode(
        ".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    if not done:
        raise ValueError(f"cannot compress an image of shape {image.shape}")
    return np.asarray(jpeg, np.uint8).ravel()
