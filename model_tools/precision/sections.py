"""Sections: where in a network 8 bits do harm, found by lowering one section at a time.

Some parts of a network bear no rounding, most often its first layers and attention; which ones
cannot be told from their values, only from what comes out at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from model_tools.precision.fidelity import Rows, fidelity
from model_tools.precision.network import NetworkParts

MOST_SECTIONS = 12
MOST_HARM = 0.1
"""What one section alone may change: AP against fp32, and the mean shift of scores."""
SURE = 0.3
"""Score above which detections of fp32 are demanded."""

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
    """The sections that may be lowered; all of them where fp32 finds nothing to judge by.

    Args:
        sections: Runs of nodes.
        reference: (K, M, 6) float32, what the network gives in fp32.
        rows_with: What it gives with some nodes lowered.
    """
    if not (reference[:, :, 4] > SURE).any():
        return list(sections)
    return [one for one in sections if _harm(reference, rows_with(one)) <= MOST_HARM]


def _harm(reference: Rows, changed: Rows) -> float:
    judged = fidelity(reference, changed, SURE)
    shift = 0.0 if np.isnan(judged.score_shift) else abs(judged.score_shift)
    return 1.0 - judged.ap + shift
