"""Sections of a network and which of them may be lowered."""

from __future__ import annotations

import numpy as np

from model_tools.precision.network import NetworkParts
from model_tools.precision.sections import MOST_SECTIONS, harmless, sections_of

ROWS = np.array([[[10, 10, 50, 50, 0.9, 0], [60, 10, 90, 40, 0.8, 1]]], np.float32)


def parts(layers: int) -> NetworkParts:
    body = tuple(name for index in range(layers) for name in (f"conv{index}", f"relu{index}"))
    return NetworkParts((), ("scale", *body), tuple(f"conv{i}" for i in range(layers)))


def test_sections_are_the_body_in_its_order():
    for layers in (1, 5, MOST_SECTIONS, 40):
        sections = sections_of(parts(layers))
        assert tuple(node for one in sections for node in one) == parts(layers).body
        counts = [sum(node.startswith("conv") for node in one) for one in sections]
        assert len(sections) == min(layers, MOST_SECTIONS)
        assert max(counts) - min(counts) <= 1


def test_a_section_that_loses_objects_or_scores_is_left_out():
    lost, faded = ROWS.copy(), ROWS.copy()
    lost[0, 1] = 0
    faded[..., 4] -= 0.15
    given = {("a",): ROWS, ("b",): lost, ("c",): faded, ("d",): ROWS + np.float32(1e-4)}
    assert harmless(list(given), ROWS, given.__getitem__) == [("a",), ("d",)]


def test_without_anything_to_compare_all_are_lowered():
    nothing = np.zeros_like(ROWS)
    assert harmless([("a",)], nothing, lambda nodes: nothing) == [("a",)]
