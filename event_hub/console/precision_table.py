"""The rows of `precision_table.html`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from event_hub.cases.precision import PrecisionRow


def precision_rows(
    rows: Iterable[PrecisionRow], names: Mapping[tuple[str, str], str]
) -> list[tuple[str, PrecisionRow]]:
    """With the name of each camera, the most false alarms first.

    Args:
        rows: Of a report.
        names: Of cameras by city and id; one that is not there is called by its id.
    """
    worst_first = sorted(rows, key=lambda one: (-one.false_alarms, -one.real))
    return [(names.get((one.city, one.camera), one.camera), one) for one in worst_first]
