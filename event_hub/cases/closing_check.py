"""`ClosingChecker`: after a case was resolved, its cameras say whether it is over, with an image.

They are asked at once and again every few seconds, until all places are clear or the time is over:
somebody may still be at work, and a queue at a light is no jam. What they say is a step in the
history of the case and an event, once, over restarts too.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import Row, select

from event_hub.case_tables import CASES
from event_hub.cases.case_work import record_deed
from event_hub.cases.events import case_event_id
from event_hub.cases.image_size import image_size
from event_hub.cases.kept import (
    SYSTEM,
    Case,
    CaseDeed,
    case_by_id,
    case_of_row,
    hub_name,
    incidents_of,
)
from event_hub.city_control import CityControl, ControlAway
from event_hub.keyframes import EvidenceFolder
from event_hub.repeated_rounds import RepeatedRounds
from event_hub.store import EventStore
from event_hub.tables import to_us
from pipelines.event_case import CaseCheckData, CasePlaceCheckData
from pipelines.event_evidence import KeyframeData
from pipelines.keyframe_key import keyframe_key

logger = logging.getLogger(__name__)

CHECK_EVERY_S: Final = 1.0
ASK_EVERY_S: Final = 10.0
MOST_CASES: Final = 50
WIDTH: Final = 1920
OK: Final = 200
CLEAR, STILL_THERE, UNSEEN = "clear", "still_there", "unseen"
WORST: Final = (STILL_THERE, UNSEEN, CLEAR)
"""The outcome of a case is the first of these that any of its places has."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Of which an incident of a case was."""

    incident_id: str
    camera: str
    kind: str
    zone: str


class ClosingChecker(RepeatedRounds):
    """Checks the cases of one city; runs between `start` and `stop`."""

    def __init__(
        self, store: EventStore, control: CityControl, folder: EvidenceFolder, address: str = ""
    ) -> None:
        """Prepares.

        Args:
            store: Of the cases.
            control: Of the city whose cameras are asked.
            folder: Keeps the images.
            address: At which people reach the hub, for the addresses of images; none without it.
        """
        super().__init__("closing-checks", self.check_due, CHECK_EVERY_S)
        self._address = address.rstrip("/")
        self._store = store
        self._control = control
        self._folder = folder
        self._asked_s: dict[str, float] = {}

    def check_due(self) -> int:
        """Asks for every case whose turn it is.

        Returns:
            How many checks came to an end.

        Raises:
            StoreUnavailableError: What was asked is asked again.
            OSError: An image cannot be written.
        """
        with self._store.database.read() as connection:
            wanted = CASES.c.check_until_us.is_not(None) & (CASES.c.city == self._control.city)
            query = select(CASES).where(wanted).order_by(CASES.c.check_until_us).limit(MOST_CASES)
            cases = [case_of_row(row) for row in connection.execute(query)]
            incidents = incidents_of(connection, [one.case_id for one in cases])
        now_s = time.monotonic()
        self._asked_s = {one.case_id: self._asked_s.get(one.case_id, -1e9) for one in cases}
        ended = 0
        for case in cases:
            if self.is_stopping():
                break
            if now_s - self._asked_s[case.case_id] >= ASK_EVERY_S:
                self._asked_s[case.case_id] = now_s
                rows = incidents.get(case.case_id, [])
                ended += bool(rows) and self._check(case, list(map(_place_of, rows)))
        return ended

    def _check(self, case: Case, places: Sequence[_Place]) -> bool:
        """Asks for one case. Whether its check has ended."""
        found = [self._ask(place) for place in places]
        is_clear = all(one.outcome == CLEAR for one in found)
        is_over = to_us(datetime.now(UTC)) >= (case.check_until_us or 0)
        if not (is_clear or is_over):
            return False
        with self._store.database.read() as connection:
            event = case_event_id(hub_name(connection), case.case_id, case.revision + 1)
        shown = tuple(
            one.model_copy(update={"keyframe": self._keyframe(one, event, number)})
            for number, one in enumerate(found)
        )
        outcome = next(one for one in WORST if any(one == place.outcome for place in shown))
        return self._record(case, CaseCheckData(outcome=outcome, places=shown))

    def _ask(self, place: _Place) -> CasePlaceCheckData:
        own = {"incident_id": place.incident_id, "camera": place.camera}
        try:
            query = {"kind": place.kind, "place": place.zone}
            answer = self._control.get(("cameras", place.camera, "place"), query)
            said = json.loads(answer.body)
        except ControlAway as error:
            return CasePlaceCheckData(**own, outcome=UNSEEN, reason=str(error))
        except ValueError:
            said = {}
        holds = said.get("holds") if answer.status == OK else None
        if holds is None:
            reason = str(said.get("reason") or said.get("detail") or f"answer {answer.status}")
            return CasePlaceCheckData(**own, outcome=UNSEEN, reason=reason)
        return CasePlaceCheckData(**own, outcome=STILL_THERE if holds else CLEAR)

    def _keyframe(self, place: CasePlaceCheckData, event: str, number: int) -> KeyframeData | None:
        """The place now, masked as the camera's keyframes are, kept by the hub."""
        path = ("cameras", place.camera, "frame.jpg")
        try:
            answer = self._control.get(path, {"width": str(WIDTH)})
        except ControlAway:
            return None
        size = image_size(answer.body) if answer.status == OK else None
        taken = answer.headers.get("cityeye-frame-at")
        if size is None or taken is None:
            return None
        digest = hashlib.sha256(answer.body).hexdigest()
        at = datetime.fromisoformat(taken)
        key = keyframe_key(place.camera, place.incident_id, event, number, digest, at)
        self._folder.put(key, answer.body)
        return KeyframeData(
            role="closing",
            at=at,
            key=key,
            url=f"{self._address}/api/keyframes/{quote(key)}" if self._address else None,
            sha256=digest,
            size_bytes=len(answer.body),
            width=size[0],
            height=size[1],
            masked=answer.headers.get("cityeye-masked") == "yes",
        )

    def _record(self, seen: Case, check: CaseCheckData) -> bool:
        """Whether the check was noted: somebody may have taken the case up again meanwhile."""
        with self._store.recording() as recorder:
            now = case_by_id(recorder.connection, seen.case_id)
            if now is None or now.revision != seen.revision:
                return False
            deed = CaseDeed("checked", SYSTEM, detail={"check": check.model_dump(mode="json")})
            record_deed(recorder, now, replace(now, check_until_us=None), deed)
        logger.info("case_checked", extra={"case": seen.case_id, "outcome": check.outcome})
        return True


def _place_of(row: Row[Any]) -> _Place:
    return _Place(row.incident_id, row.camera, row.kind, row.zone)
