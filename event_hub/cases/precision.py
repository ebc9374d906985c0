"""How often what was reported was so, by what people decided: per camera, kind and model version.

A case that somebody confirmed, dispatched or resolved was so; a false alarm was not. A duplicate
was, and counts as neither, as it says nothing of the model.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from pydantic import AwareDatetime
from sqlalchemy import ColumnElement, Connection, func, select

from event_hub.answers import HubAnswer
from event_hub.case_tables import CASE_INCIDENTS, CASES, OF_INCIDENT
from event_hub.people.visible import ALL, Sees
from event_hub.tables import INCIDENTS, to_us
from pipelines.event import VersionData

Z_95: Final = 1.959964
"""Of the normal distribution, for an interval that holds 95 %."""

DUPLICATE: Final = "duplicate"
_KEYS: Final = ("city", "camera", "kind", "model", "model_version")


class PrecisionRow(HubAnswer):
    """How often incidents of one kind, camera and model version were so.

    `precision` is `real` of all that was decided, with the bounds of its 95 % interval (Wilson
    1927); null where nothing was decided. `reasons` are those of the false alarms.
    """

    city: str
    camera: str
    kind: str
    model: VersionData
    real: int
    false_alarms: int
    precision: float | None
    low: float | None
    high: float | None
    reasons: dict[str, int]


class PrecisionReport(HubAnswer):
    """One row for each camera, kind and model version of which anybody has decided anything."""

    rows: list[PrecisionRow]


@dataclass(frozen=True, slots=True)
class PrecisionFilter:
    """Which incidents count; None means any. `since` and `until` bound their opening.

    Attributes:
        sees: The cameras that the caller sees.
    """

    city: str | None = None
    camera: str | None = None
    kind: str | None = None
    model: str | None = None
    version: str | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    sees: Sees = ALL


def wilson(real: int, total: int) -> tuple[float, float] | None:
    """Bounds of the 95 % interval of a share; None without any case.

    E. B. Wilson, Probable inference, the law of succession, and statistical inference, 1927.
    """
    if not total:
        return None
    share, z2 = real / total, Z_95**2
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    spread = math.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    half = Z_95 * spread / (1 + z2 / total)
    return max(0.0, middle - half), min(1.0, middle + half)


def precision_report(connection: Connection, wanted: PrecisionFilter) -> PrecisionReport:
    """What people decided, counted."""
    keys = [INCIDENTS.c[name] for name in _KEYS]
    said = (CASES.c.state, CASES.c.reason)
    query = (
        select(*keys, *said, func.count().label("count"))
        .join(CASE_INCIDENTS, OF_INCIDENT)
        .join(CASES, CASES.c.case_id == CASE_INCIDENTS.c.case_id)
        .where(CASES.c.state != "new", *conditions(wanted))
        .group_by(*keys, *said)
        .order_by(*keys)
    )
    found: dict[tuple[str, ...], list[Any]] = {}
    for row in connection.execute(query):
        found.setdefault(tuple(row)[: len(_KEYS)], []).append(row)
    return PrecisionReport(rows=[_row(key, rows) for key, rows in found.items()])


def conditions(wanted: PrecisionFilter) -> list[ColumnElement[bool]]:
    """What the incidents of cases have to be."""
    given = {
        "city": wanted.city,
        "camera": wanted.camera,
        "kind": wanted.kind,
        "model": wanted.model,
        "model_version": wanted.version,
    }
    found = [wanted.sees.of(INCIDENTS)]
    found += [INCIDENTS.c[name] == value for name, value in given.items() if value is not None]
    if wanted.since is not None:
        found.append(INCIDENTS.c.opened_us >= to_us(wanted.since))
    if wanted.until is not None:
        found.append(INCIDENTS.c.opened_us < to_us(wanted.until))
    return [*found, wanted.sees.of(INCIDENTS)]


def _row(key: tuple[str, ...], rows: Iterable[Any]) -> PrecisionRow:
    real, reasons = 0, Counter[str]()
    for row in rows:
        if row.state != "false_alarm":
            real += row.count
        elif row.reason != DUPLICATE:
            reasons[row.reason] += row.count
    city, camera, kind, model, version = key
    total = real + reasons.total()
    low, high = wilson(real, total) or (None, None)
    return PrecisionRow(
        city=city,
        camera=camera,
        kind=kind,
        model=VersionData(name=model, version=version),
        real=real,
        false_alarms=reasons.total(),
        precision=real / total if total else None,
        low=low,
        high=high,
        reasons=dict(reasons),
    )
