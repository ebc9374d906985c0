"""How many incidents there are, by what people sort them by."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import Connection, func, select

from event_hub.answers import IncidentCounts
from event_hub.incidents.filter import IncidentFilter, columns_to_group_by, conditions
from event_hub.tables import COUNTED, INCIDENTS
from pipelines.event_incident import LEVELS


def incident_counts(connection: Connection, wanted: IncidentFilter) -> IncidentCounts:
    """Counts of the incidents that are meant."""
    row = INCIDENTS.c
    where = conditions(wanted)
    groups = columns_to_group_by(("level", "kind"), where, COUNTED)
    query = select(*groups, func.count().label("total"), func.sum(row.is_open).label("open"))
    total = is_open = 0
    severities: Counter[str] = Counter(dict.fromkeys(LEVELS, 0))
    kinds: Counter[str] = Counter()
    names = {level: name for name, level in LEVELS.items()}
    for one in connection.execute(query.where(*where).group_by(*groups)):
        total += one.total
        is_open += one.open
        severities[names[one.level]] += one.total
        kinds[one.kind] += one.total
    return IncidentCounts(total=total, open=is_open, severities=severities, kinds=kinds)
