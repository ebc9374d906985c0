"""`MaskedArea`: where in the image nothing counts: a tree that is a person, the neighbour's road.

Whoever stands in it, and what lies in it for the most part, is left out before a rule gets it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import shapely

from models.detections import Box
from pipelines.rules.zone import Zone
from pipelines.rules.zone_geometry import ZoneError, ZoneShape

MOST: Final = 0.5
"""Share of a box from which on most of it is masked."""


class MaskedArea:
    """The masked parts of one camera, or of one of its rules."""

    def __init__(self, areas: Iterable[Zone]) -> None:
        """Takes polygons.

        Raises:
            ZoneError: A polygon means nothing.
        """
        polygons = []
        for area in areas:
            try:
                ZoneShape(area)
            except ZoneError as error:
                raise ZoneError(str(error).replace("zone", "mask", 1)) from error
            polygons.append(shapely.Polygon(area.polygon))
        self._area = shapely.union_all(polygons)
        shapely.prepare(self._area)

    def hides(self, box: Box) -> bool:
        """Whether the foot of a box lies in it, or more than half of the box."""
        if shapely.intersects_xy(self._area, *box.foot):
            return True
        shape = shapely.box(*box)
        return bool(shape.area and shapely.intersection(self._area, shape).area > MOST * shape.area)
