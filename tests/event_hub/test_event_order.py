"""(incarnation, sequence) orders what is said of a camera: no arrival and no clock has a say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from event_hub import queries
from event_hub.incidents import IncidentFilter, incident_page
from event_hub.store import EventStore
from event_hub.tables import CAMERA_STATES, INCIDENTS
from tests.event_hub.console.reading import page
from tests.event_hub.samples import START, camera_state, incident
from tests.event_hub.test_store import add, opened
from tests.levels import scaled

SOURCE = "cityeye/Neustadt/cam-1"
STEPS_S = (-86400.0, -2.0, 0.0, 2.0, 86400.0)
"""How far the clock of a worker is off."""


def said(event: dict[str, Any], incarnation: int, number: int) -> dict[str, Any]:
    own = {"incarnation": incarnation, "sequence": f"{number:016d}", "source": SOURCE}
    return event | own | {"id": f"{incarnation}-{number}"}


# The older worker has an outbox in which much has been counted, the newer one begins at 1.
LIFE = [
    said(camera_state(state="online"), 5, 901),
    said(incident(revision=1), 5, 902),
    said(camera_state(state="degraded"), 5, 903),
    said(incident(revision=2, phase="updated", severity="high"), 5, 904),
    said(camera_state(state="offline"), 5, 905),
    said(camera_state(state="online"), 6, 1),
    said(incident(revision=3, phase="ended", end_reason="recovered"), 6, 2),
    said(camera_state(state="degraded"), 6, 3),
]


def off_by(event: dict[str, Any], seconds: float) -> dict[str, Any]:
    """The event as a worker sends it whose clock is off."""
    at = (START + timedelta(seconds=seconds)).isoformat()
    times = {name: at for name in ("since", "updated_at") if name in event["data"]}
    return event | {"time": at, "data": event["data"] | times}


def tables(store: EventStore) -> tuple[list[Any], list[Any]]:
    states = select(CAMERA_STATES.c.state, CAMERA_STATES.c.incarnation, CAMERA_STATES.c.sequence)
    kept = select(INCIDENTS.c.is_open, INCIDENTS.c.revision, INCIDENTS.c.incarnation)
    with store.database.read() as connection:
        found = [connection.execute(query).all() for query in (states, kept)]
    return [tuple(row) for row in found[0]], [tuple(row) for row in found[1]]


RIGHT = ([("degraded", 6, f"{3:016d}")], [(0, 3, 6)])


@settings(max_examples=scaled(25), deadline=None)
@given(st.data())
def test_arrivals_repetitions_and_clocks_do_not_matter(data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(LIFE))))
    replayed = data.draw(st.lists(st.integers(0, len(LIFE) - 1), max_size=8))
    steps = data.draw(st.lists(st.sampled_from(STEPS_S), min_size=len(LIFE), max_size=len(LIFE)))
    sent = [off_by(event, step) for event, step in zip(LIFE, steps, strict=True)]
    with TemporaryDirectory() as folder, opened(Path(folder)) as store:
        for index in [*order, *replayed]:
            add(store, sent[index])
        assert tables(store) == RIGHT


@pytest.mark.parametrize("step_s", STEPS_S)
def test_a_clock_step_pins_no_state(tmp_path: Path, step_s: float) -> None:
    with opened(tmp_path) as store:
        add(store, off_by(LIFE[0], 0.0), off_by(LIFE[4], step_s), off_by(LIFE[5], 1.0))
        assert tables(store)[0] == [("online", 6, f"{1:016d}")]


def test_an_older_incarnation_never_reopens_what_a_newer_one_ended(tmp_path: Path) -> None:
    # The outbox that counted the revisions was lost.
    ended = said(incident(revision=1, phase="ended", end_reason="recovered"), 6, 1)
    old = [said(incident(revision=n, phase="updated"), 5, 900 + n) for n in range(2, 9)]
    with opened(tmp_path) as store:
        add(store, old[0], ended, *old[1:])
        assert tables(store)[1] == [(0, 1, 6)]
        with store.database.read() as connection:
            (found,) = queries.incident_rows(connection, "i-1")
            record = queries.incident_record(connection, found)
    assert record.history[-1].phase == "ended"


def test_events_without_an_incarnation_come_before_all_others(tmp_path: Path) -> None:
    late = camera_state(state="online", number=999, at=START + timedelta(days=1))
    with opened(tmp_path) as store:
        add(store, said(camera_state(state="offline"), 1, 1), late)
        assert tables(store)[0] == [("offline", 1, f"{1:016d}")]


@pytest.fixture
def tomorrow() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


def shown(store: EventStore) -> Sequence[Any]:
    with store.database.read() as connection:
        return incident_page(connection, IncidentFilter(), 9).incidents


def test_an_incident_from_the_future_is_shown_when_it_arrived(
    tmp_path: Path, tomorrow: datetime
) -> None:
    with opened(tmp_path) as store:
        add(store, incident("wrong", opened_at=tomorrow))
        (first,) = shown(store)
        assert first.opened_at <= datetime.now(UTC)
        assert first.detail["clock_ahead_s"] == pytest.approx(86400, abs=60)
        add(store, incident("right", opened_at=datetime.now(UTC)))
        assert [one.incident_id for one in shown(store)] == ["right", "wrong"]
        # Its next event does not move it up again, and its end is counted as one of today.
        add(store, incident("wrong", 2, "ended", opened_at=tomorrow))
        right, wrong = shown(store)
        assert (right.incident_id, wrong.opened_at) == ("right", first.opened_at)
        assert first.opened_at <= wrong.ended_at <= datetime.now(UTC)
        console = page(store, "incidents", state="ended")
        assert console.situation.ended == 1
        assert re.search(r"Clock ahead by (1 d 0 h|23:59:\d\d h|24:00:\d\d h)", console.text)


def test_a_clock_that_is_a_little_ahead_is_believed(tmp_path: Path) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=4)
    with opened(tmp_path) as store:
        add(store, incident(opened_at=soon))
        (one,) = shown(store)
    assert one.opened_at == soon
    assert "clock_ahead_s" not in one.detail


def test_a_state_from_the_future_is_since_its_arrival(tmp_path: Path, tomorrow: datetime) -> None:
    with opened(tmp_path) as store:
        add(store, camera_state(state="stopped", at=tomorrow))
        with store.database.read() as connection:
            (camera,) = queries.camera_list(connection, store.heard).cameras
    assert camera.since == camera.reported_at == camera.received_at
