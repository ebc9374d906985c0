"""Classes: which classes of a dataset are which classes of a package."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models import DataError
from models.detections import plain_label

SHOWN = 12
NEAR = 3


@dataclass(frozen=True, slots=True)
class MatchedClasses:
    """How the classes of a dataset and of a package meet.

    Attributes:
        rows: For each class of the data, in its order, the package's class id; None if left out.
        evaluated: Class ids of the package that the data label, ascending.
        left_out: Classes of the data whose objects are left out.
        unlabelled: Classes of the package that the data do not label; not evaluated.
    """

    rows: tuple[int | None, ...]
    evaluated: tuple[int, ...]
    left_out: tuple[str, ...]
    unlabelled: tuple[str, ...]


def matched(
    place: Path,
    names: Sequence[str],
    labels: Sequence[str],
    mapping: Mapping[str, str | None] | None = None,
) -> MatchedClasses:
    """Finds each class of a dataset in a package, by its plain spelling or by a map.

    Args:
        place: The file that names the classes, for errors.
        names: Classes of the data.
        labels: Classes of the package.
        mapping: Class of the data → class of the package or None; what it does not name is left
            out, as at an import.

    Raises:
        DataError: The map names a class that is on neither side, or nothing is in common.
    """
    ours = _places(labels)
    wanted = _mapped(place, names, labels, mapping) if mapping is not None else names
    rows = tuple(None if one is None else ours.get(plain_label(one)) for one in wanted)
    evaluated = sorted({row for row in rows if row is not None})
    if not evaluated:
        raise DataError(
            place,
            f"has no class of the model: its classes are {_some(names)}, "
            f"the model's are {_some(labels)}",
            "say with --map which is which",
        )
    return MatchedClasses(
        rows=rows,
        evaluated=tuple(evaluated),
        left_out=tuple(name for name, row in zip(names, rows, strict=True) if row is None),
        unlabelled=tuple(label for row, label in enumerate(labels) if row not in evaluated),
    )


def _mapped(
    place: Path,
    names: Sequence[str],
    labels: Sequence[str],
    mapping: Mapping[str, str | None],
) -> list[str | None]:
    """What the map makes of each class of the data."""
    theirs, ours = _places(names), _places(labels)
    mapped: dict[str, str | None] = {}
    for foreign, label in mapping.items():
        if plain_label(foreign) not in theirs:
            raise DataError(
                place, f"has no class {foreign!r}, which the map names", _near(foreign, names)
            )
        if label is not None and plain_label(label) not in ours:
            raise DataError(
                place,
                f"the map makes {foreign!r} a {label!r}, which is no class of the model",
                _near(label, labels),
            )
        mapped[plain_label(foreign)] = label
    return [mapped.get(plain_label(name)) for name in names]


def _places(names: Sequence[str]) -> dict[str, int]:
    """First place of each spelling."""
    return {plain_label(name): index for index, name in reversed(list(enumerate(names)))}


def _near(name: str, there: Iterable[str]) -> str:
    spelled = {plain_label(one): one for one in there}
    near = [spelled[one] for one in difflib.get_close_matches(plain_label(name), spelled, NEAR)]
    return f"did you mean {' or '.join(near)}?" if near else f"there are {_some([*there])}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
