"""Where a full image lies in an analysis image: boxes go there and back for every fit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.geometry import Letterbox, Size, ViewSpec

SIDES = st.integers(16, 2000)
SIZES = st.builds(Size, SIDES, SIDES)
SPECS = st.builds(ViewSpec, SIZES, st.sampled_from(["letterbox", "stretch"]))


@given(SIZES, SPECS, st.lists(st.tuples(*[st.floats(0, 1, width=32)] * 4), min_size=1))
def test_boxes_survive_the_way_there_and_back(full: Size, spec: ViewSpec, boxes) -> None:
    letterbox = spec.place(full)
    placed = letterbox.to_analysis(np.array(boxes, np.float32))
    assert (placed >= 0).all()
    assert (placed <= np.array([spec.size.width, spec.size.height] * 2) + 1e-3).all()
    np.testing.assert_allclose(letterbox.to_normalised(placed), boxes, atol=1e-4)


@pytest.mark.parametrize("full", [Size(1920, 1080), Size(640, 480), Size(360, 640), Size(8, 8)])
def test_a_stretched_image_fills_the_analysis_image(full: Size) -> None:
    size = Size(416, 320)
    letterbox = ViewSpec(size, "stretch").place(full)
    assert letterbox == Letterbox(full=full, analysis=size, content=size, left=0, top=0)
    quarter = letterbox.to_normalised(np.array([[104, 160, 208, 320]], np.float32))
    assert quarter.tolist() == [[0.25, 0.5, 0.5, 1.0]]


def test_letterboxing_is_what_a_view_does_unless_told_otherwise() -> None:
    size = Size(640, 384)
    assert ViewSpec(size) == ViewSpec(size, "letterbox") != ViewSpec(size, "stretch")
    assert ViewSpec(size).place(Size(480, 640)) == Letterbox.fit(Size(480, 640), size)
