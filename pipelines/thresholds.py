"""`NamedThresholds`: confidence thresholds, general and by the name of a class.

A package has a threshold for every class in general, and may have one for some classes. A rollout
table replaces some of them for a version, and after it a camera's task for whatever version it has.
Each of them replaces only what it names: a general threshold never touches a class that has its
own, and the threshold of a class touches no other one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from models.detections import plain_label


@dataclass(frozen=True, slots=True)
class NamedThresholds:
    """Scores from which on a detection may begin a track.

    Attributes:
        default: That of all classes without one of their own; None keeps what there is.
        classes: Those of some classes by name, however spelled.
    """

    default: float | None = None
    classes: Mapping[str, float] = field(default_factory=dict)

    def over(
        self, labels: tuple[str, ...], default: float, classes: Mapping[str, float]
    ) -> tuple[float, dict[str, float]]:
        """The thresholds of a version with `labels` once these have replaced its own.

        Names that are not among the labels are left out: another version may have them.

        Args:
            labels: Class names of the version.
            default: Its general threshold.
            classes: Its thresholds by class.
        """
        known = {plain_label(label): label for label in labels}
        named = {
            plain_label(name): score
            for names in (classes, self.classes)
            for name, score in names.items()
        }
        # In the order of the labels, so that equal thresholds are equal however they came about.
        own = {label: named[plain] for plain, label in known.items() if plain in named}
        return default if self.default is None else self.default, own
