"""`FrameSignals`: what a frame offers a rule beside its tracks.

A rule gets only the signals that its kind declares, so that a pipeline knows what must be computed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from camera_adapters.frame import AnalysisImage


class Signal(StrEnum):
    """A signal that a kind of rule may declare."""

    IMAGE = "image"


@dataclass(frozen=True, slots=True, eq=False)
class FrameSignals:
    """The signals of one frame.

    Attributes:
        image: The image that the model was run on, the same array without a copy; None for a
            rule that does not declare `Signal.IMAGE`.
    """

    image: AnalysisImage | None = None

    def only(self, declared: frozenset[Signal]) -> FrameSignals:
        """The signals that a rule declared, without the others."""
        return self if Signal.IMAGE in declared else replace(self, image=None)


NO_SIGNALS = FrameSignals()
