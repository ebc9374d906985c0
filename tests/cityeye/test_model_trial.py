"""Trying a model on a recording: every due image, full size, boxes where the model says."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from cityeye.errors import CommandError
from cityeye.model_trial import try_model
from models.package import ModelPackage
from pipelines.annotation import GREEN
from tests.camera_adapters.clips import write_clip
from tests.serving.packages import BOX, SIZE, brightness_package


@pytest.fixture
def package(tmp_path: Path) -> ModelPackage:
    return brightness_package(tmp_path)


def test_images_are_full_size_and_carry_the_box(package: ModelPackage, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", width=640, height=480)
    assert try_model(package, clip.path, 5.0, tmp_path / "out") == 15
    first = cv2.imread(str(sorted((tmp_path / "out").glob("*.jpg"))[0]))
    assert first is not None
    assert first.shape == (480, 640, 3)
    scale = 640 / SIZE.width
    left, middle = round(BOX[0] * scale), round((BOX[1] + BOX[3]) / 2 * scale)
    edge = first[middle, left, ::-1].astype(int)
    assert np.abs(edge - GREEN).max() < 60, "the left edge of the box is drawn"


def test_what_is_no_recording_is_reported_in_a_sentence(
    package: ModelPackage, tmp_path: Path
) -> None:
    (tmp_path / "text.mp4").write_text("not a film\n" * 100)
    with pytest.raises(CommandError, match=r"text\.mp4 cannot be read"):
        try_model(package, tmp_path / "text.mp4", 1.0, tmp_path / "out")
