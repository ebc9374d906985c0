"""Sections: which parts of a network do not tolerate int8, found by lowering one at a time.

The first layers and attention most often do not tolerate rounding. Which parts do not is seen in
the output only, not in the values of the tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from model_tools.precision.fidelity import fidelity
from model_tools.precision.network import NetworkParts
from models.detections import Rows

MOST_SECTIONS = 12
MOST_HARM = 0.1
"""What one section alone may change: AP against fp32, and the mean shift of scores."""
CONFIDENT = 0.3
"""Score above which detections of fp32 are wanted."""

Nodes = tuple[str, ...]


def sections_of(parts: NetworkParts) -> list[Nodes]:
    """The body cut into at most `MOST_SECTIONS` runs of nodes with as many layers each."""
    layers = set(parts.layers)
    count = min(MOST_SECTIONS, len(layers))
    sections: list[list[str]] = [[] for _ in range(count)]
    passed = 0
    for node in parts.body:
        passed += node in layers
        sections[max(passed - 1, 0) * count // len(layers)].append(node)
    return [tuple(one) for one in sections]


def harmless(
    sections: Sequence[Nodes], reference: Rows, rows_with: Callable[[Nodes], Rows]
) -> list[Nodes]:
    """The sections that may be lowered; all of them where fp32 finds nothing to compare.

    Args:
        sections: Runs of nodes.
        reference: (K, M, 6) float32, what the network gives in fp32.
        rows_with: What it gives with some nodes lowered.
    """
    if not (reference[:, :, 4] > CONFIDENT).any():
        return list(sections)
    return [one for one in sections if _harm(reference, rows_with(one)) <= MOST_HARM]


def _harm(reference: Rows, changed: Rows) -> float:
    found = fidelity(reference, changed, CONFIDENT)
    shift = 0.0 if np.isnan(found.score_shift) else abs(found.score_shift)
    return 1.0 - found.ap + shift
