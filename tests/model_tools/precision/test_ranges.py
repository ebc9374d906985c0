"""Ranges of tensors on calibration images."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from model_tools.precision.ranges import Feed, measured_ranges
from models.errors import SessionError


def ranges_of(*batches: np.ndarray, operator: str = "Identity") -> tuple[float, float]:
    node = helper.make_node(operator, ["x"], ["y"])
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N"])
    other = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N"])
    graph = helper.make_graph([node], "one", [value], [other])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    feeds: list[Feed] = [{"x": batch.astype(np.float32)} for batch in batches]
    return measured_ranges(model, ["y"], feeds, "test")["y"]


def error(values: np.ndarray, limits: tuple[float, float]) -> float:
    """Mean squared error of 8 bits within these limits."""
    step = (limits[1] - limits[0]) / 255
    nearest = np.round(np.clip(values, *limits) / step) * step
    return float(((nearest - values) ** 2).mean())


def test_even_values_keep_their_whole_range():
    low, high = ranges_of(np.linspace(-1, 3, 5000), np.linspace(-2, 1, 5000))
    assert (low, high) == (pytest.approx(-2), pytest.approx(3))


def test_a_lone_outlier_is_cut_and_that_costs_less_than_keeping_it():
    rng = np.random.default_rng(0)
    batches = [rng.normal(0, 1, 99_999) for _ in range(10)]
    batches[3][7] = 20.0
    low, high = ranges_of(*batches)
    assert 4 < high < 16
    values = np.concatenate(batches)
    assert error(values, (low, high)) < 0.8 * error(values, (values.min(), values.max()))


def test_zero_belongs_to_every_range():
    assert ranges_of(np.linspace(5, 6, 100))[0] == 0.0
    assert ranges_of(np.linspace(-6, -5, 100))[1] == 0.0


def test_a_tensor_of_zeros_has_a_range_that_can_be_divided_by():
    low, high = ranges_of(np.zeros(10))
    assert high > low == 0.0


def test_zeros_do_not_draw_the_range_in():
    """They are exact in any range, so however many there are, the others decide."""
    values = np.linspace(0, 4, 2000)
    assert ranges_of(np.append(values, np.zeros(90_000))) == ranges_of(values)


def test_numbers_that_are_not_finite_are_an_error():
    with pytest.raises(SessionError, match="y holds numbers that are not finite"):
        ranges_of(np.array([-1.0]), operator="Sqrt")
