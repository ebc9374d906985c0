"""How many things lie in a heap, and since when: where they touch, one static change shows them.

What was put on a change or against it is a piece of it, if somebody was beside it then. Where
classes see things one by one, they and the pieces are counted against each other, never added.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import zip_longest

from pipelines.rules.lying_thing import PARTS_GAP, LyingThing, gap


def pieces_since(things: Iterable[LyingThing], until_s: float) -> Sequence[float]:
    """Since when each piece has lain, monotonic seconds, oldest first.

    Args:
        things: Those of one heap.
        until_s: What came later does not count.
    """
    rest = [thing for thing in things if thing.since_s <= until_s]
    found: list[float] = []
    for host in [thing for thing in rest if thing.changes]:
        touching = [one for one in rest if not one.changes and _touches(host, one)]
        rest = [one for one in rest if one is not host and one not in touching]
        pieces = [one for one in host.pieces_since_s if one <= until_s]
        named = sorted(thing.since_s for thing in touching)
        # At any time there were as many as either of them says.
        found += [host.since_s, *map(min, zip_longest(pieces, named, fillvalue=math.inf))]
    return sorted(found + [thing.since_s for thing in rest])


def _touches(host: LyingThing, one: LyingThing) -> bool:
    changes = host.changes.values()
    return any(gap(change.box, one.box, one.aspect) <= PARTS_GAP for change in changes)
