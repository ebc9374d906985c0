"""The outbox: order, revisions, keyframes that come late, bounds, and what a restart finds."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from event_hub.envelope import parse_event
from models.detections import Box
from pipelines.delivery.deliveries import Held
from pipelines.delivery.event_log import OutboxLimits
from pipelines.delivery.outbox import Outbox
from pipelines.delivery.outbox_file import OutboxFile
from pipelines.delivery.sinks.sink import Delivery
from pipelines.delivery.spool import Spool, SpoolLimits
from pipelines.errors import OutboxInUse, OutboxUnavailable
from pipelines.event import IncidentEvent
from pipelines.incident import Phase, Severity, Subject, Transition
from tests.pipelines.delivery.outboxes import OPENED, Clock, Edge, camera, incident, life, offline

SINK = "hub"
GRACE_S = 30.0


@pytest.fixture
def edge(tmp_path):
    edge = Edge(tmp_path)
    edge.outbox.deliveries.register([SINK])
    yield edge
    edge.close()


def drain(edge: Edge, sink: str = SINK, grace_s: float = 0.0) -> list[dict[str, Any]]:
    """Everything a sink would get now, acknowledged."""
    deliveries = edge.outbox.deliveries
    events = []
    for name in sorted(deliveries.partitions(sink)):
        while isinstance(delivery := deliveries.next(sink, name, grace_s), Delivery):
            events.append(json.loads(delivery.body))
            deliveries.acknowledge(sink, delivery)
    return events


def images(event: dict[str, Any]) -> list[tuple[str, str]]:
    return [(frame["role"], frame["state"]) for frame in event["data"]["keyframes"]]


def test_an_incident_arrives_in_order_with_all_its_images(edge):
    edge.publish(*life(updates=2))
    edge.upload()
    events = drain(edge)
    assert [event["type"].split(".")[-1] for event in events] == [
        "started",
        "updated",
        "updated",
        "ended",
    ]
    assert [event["data"]["revision"] for event in events] == [1, 2, 3, 4]
    assert [event["sequence"] for event in events] == sorted(event["sequence"] for event in events)
    assert [images(event) for event in events] == [
        [("opening", "stored")],
        [("opening", "stored")],
        [("opening", "stored")],
        [("opening", "stored"), ("closing", "stored")],
    ]
    assert drain(edge) == []


def test_a_raised_severity_is_shown_once(edge):
    steps = [
        Transition(Phase.STARTED, incident(severity=Severity.LOW)),
        *(
            Transition(
                Phase.UPDATED,
                replace(incident(severity=severity), updated_at=OPENED + timedelta(seconds=number)),
            )
            for number, severity in enumerate(
                [Severity.LOW, Severity.HIGH, Severity.MEDIUM, Severity.HIGH], 2
            )
        ),
    ]
    edge.publish(*steps)
    edge.upload()
    last = drain(edge)[-1]
    assert [role for role, _ in images(last)] == ["opening", "peak"]


def test_the_event_says_who_where_and_why(edge):
    edge.publish(*life(updates=0)[:1], value=None)
    edge.recorder.publish_state(offline(), camera())
    started, state = drain(edge)
    assert started["source"] == "cityeye/Neustadt/gate"
    assert started["incarnation"] == 1
    assert started["partitionkey"] == "gate"
    assert started["data"]["camera"]["place"] == {"lon": 7.1, "lat": 50.7, "division": "05314"}
    assert started["data"]["model"] == {"name": "street", "version": "3"}
    assert started["data"]["rule"] == {"name": "crowding.density", "version": "2"}
    assert started["data"]["keyframes"] == []
    assert state["type"] == "cityeye.camera.state"
    assert (state["data"]["state"], state["data"]["previous"]) == ("offline", "online")


def test_the_hub_understands_every_event(edge):
    odd = replace(incident(), detail={"density": float("nan"), "persons": 3.0})
    edge.publish(Transition(Phase.STARTED, odd))
    edge.publish(*life("i-2"))
    edge.recorder.publish_state(offline(), camera())
    parsed = [parse_event(json.dumps(event).encode()).event for event in drain(edge)]
    assert len(parsed) == 5
    assert isinstance(parsed[0], IncidentEvent)
    assert parsed[0].data.detail == {"persons": 3.0}


def test_a_sink_learns_what_a_broker_needs(edge):
    edge.publish(*life("north-1", at="north")[:1], value=None)
    edge.recorder.publish_state(offline("south"), camera("south"))
    deliveries = edge.outbox.deliveries
    taken = [deliveries.next(SINK, name, 0.0) for name in ("north", "south")]
    assert [(one.key, one.partition) for one in taken] == [
        ("cityeye/Neustadt/north", "north"),
        ("cityeye/Neustadt/south", "south"),
    ]
    types = [one.attributes["type"] for one in taken]
    assert types == ["cityeye.incident.started", "cityeye.camera.state"]
    assert taken[0].sequence < taken[1].sequence
    assert "data" not in taken[0].attributes


def test_only_the_most_confident_subjects_travel(edge):
    crowd = tuple(
        Subject(number, "person", Box(0.1, 0.2, 0.3, 0.4), number % 50 / 50) for number in range(99)
    )
    edge.publish(Transition(Phase.STARTED, replace(incident(), subjects=crowd)), value=None)
    (event,) = drain(edge)
    scores = [subject["score"] for subject in event["data"]["subjects"]]
    assert len(scores) == 30
    assert scores == sorted((subject.score for subject in crowd), reverse=True)[:30]


def test_the_same_transition_twice_is_one_event(edge):
    (started, *_) = life()
    edge.publish(started)
    edge.publish(started)
    assert len(drain(edge)) == 1


def test_ids_do_not_depend_on_when_or_where(edge, tmp_path):
    edge.publish(*life())
    other = Edge(tmp_path / "other")
    other.outbox.deliveries.register([SINK])
    other.publish(*life("i-0"))
    other.publish(*life())
    ids = [event["id"] for event in drain(other) if event["data"]["incident_id"] == "i-1"]
    assert ids == [event["id"] for event in drain(edge)]
    other.close()


def test_an_event_waits_for_its_image_but_not_for_ever(tmp_path):
    clock = Clock()
    edge = Edge(tmp_path, Outbox(tmp_path / "outbox.db", monotonic=clock))
    deliveries = edge.outbox.deliveries
    deliveries.register([SINK])
    edge.publish(*life()[:1])
    clock.now_s += 10.0
    assert deliveries.next(SINK, "gate", GRACE_S) == Held(20.0)
    clock.now_s += 20.0
    delivery = deliveries.next(SINK, "gate", GRACE_S)
    assert isinstance(delivery, Delivery)
    assert images(json.loads(delivery.body)) == [("opening", "pending")]
    edge.close()


def test_the_bytes_of_an_event_never_change_once_it_was_sent(edge):
    edge.publish(*life()[:1])
    deliveries = edge.outbox.deliveries
    deliveries.register([SINK, "late"])
    first = deliveries.next(SINK, "gate", 0.0)
    edge.upload()
    assert deliveries.next(SINK, "gate", 0.0) == first
    late = deliveries.next("late", "gate", 0.0)
    assert isinstance(first, Delivery)
    assert isinstance(late, Delivery)
    assert late.body == first.body


def test_a_pending_image_is_followed_by_a_revision(edge):
    started, updated, ended = life()
    edge.publish(started)
    assert images(drain(edge)[0]) == [("opening", "pending")]
    edge.upload()
    (revised,) = drain(edge)
    assert revised["type"] == "cityeye.incident.updated"
    assert revised["data"]["phase"] == "updated"
    assert revised["data"]["revision"] == 2
    assert images(revised) == [("opening", "stored")]
    edge.publish(updated, ended)
    assert [event["data"]["revision"] for event in drain(edge)] == [3, 4]


def test_a_revision_after_the_end_repeats_the_end(edge):
    edge.publish(*life())
    assert images(drain(edge)[-1]) == [("opening", "pending"), ("closing", "pending")]
    edge.upload()
    (revised,) = drain(edge)
    assert revised["type"] == "cityeye.incident.ended"
    assert revised["data"]["phase"] == "ended"
    assert revised["data"]["end_reason"] == "cleared"
    assert revised["data"]["revision"] == 4
    assert images(revised) == [("opening", "stored"), ("closing", "stored")]


def test_a_pending_image_does_not_hold_back_later_events(tmp_path):
    clock = Clock()
    edge = Edge(tmp_path, Outbox(tmp_path / "outbox.db", monotonic=clock))
    edge.outbox.deliveries.register([SINK])
    started, updated, _ = life()
    edge.publish(started)
    clock.now_s += GRACE_S
    assert len(drain(edge, grace_s=GRACE_S)) == 1
    edge.publish(updated)
    assert len(drain(edge, grace_s=GRACE_S)) == 1
    edge.close()


def test_a_waiting_camera_holds_back_no_other(edge):
    edge.publish(*life(at="north")[:1])
    edge.publish(*life("i-2", at="south")[:1], value=None)
    events = drain(edge, grace_s=GRACE_S)
    assert [event["partitionkey"] for event in events] == ["south"]


def test_a_lost_image_is_not_named_again(edge):
    started, updated, ended = life()
    edge.publish(started)
    assert images(drain(edge)[0]) == [("opening", "pending")]
    blob = edge.outbox.next_blob()
    assert blob is not None
    edge.outbox.blob_lost(blob.key)
    edge.publish(updated, value=None)
    edge.publish(ended, value=None)
    assert [images(event) for event in drain(edge)] == [[], [], []]
    assert edge.outbox.counters.keyframes_lost == 1


def test_every_sink_has_its_own_progress(edge):
    edge.outbox.deliveries.register([SINK, "city"])
    edge.publish(*life(), value=None)
    assert len(drain(edge)) == 3
    assert edge.outbox.deliveries.partitions("city") == ["gate"]
    assert len(drain(edge, "city")) == 3
    assert edge.outbox.deliveries.pending() == 0


def test_a_new_sink_gets_what_is_kept_and_a_removed_one_is_forgotten(edge):
    edge.publish(*life(), value=None)
    assert len(drain(edge)) == 3
    edge.outbox.deliveries.register(["city"])
    assert edge.outbox.deliveries.pending() == 3
    assert len(drain(edge, "city")) == 3
    edge.outbox.deliveries.register([SINK])
    assert len(drain(edge)) == 3


def test_delivered_events_are_kept_for_a_while_and_can_be_sent_again(tmp_path):
    wall = Clock()
    edge = Edge(tmp_path, Outbox(tmp_path / "outbox.db", utc_s=wall))
    edge.outbox.deliveries.register([SINK])
    edge.publish(*life(), value=None)
    wall.now_s += 100.0
    edge.publish(*life("i-2"), value=None)
    before = drain(edge)
    edge.outbox.deliveries.replay(SINK, datetime.fromtimestamp(wall.now_s - 50.0, UTC))
    assert drain(edge) == before[3:]
    assert edge.outbox.prune(keep_s=50.0) == 3
    edge.outbox.deliveries.replay(SINK, datetime.fromtimestamp(0.0, UTC))
    assert drain(edge) == before[3:]
    edge.close()


def test_an_acknowledgement_that_crosses_a_replay_does_not_undo_it(edge):
    edge.publish(*life(), value=None)
    deliveries = edge.outbox.deliveries
    drain(edge)
    edge.publish(*life("i-2"), value=None)
    under_way = deliveries.next(SINK, "gate", 0.0)
    assert isinstance(under_way, Delivery)
    deliveries.replay(SINK, datetime.fromtimestamp(0.0, UTC))
    deliveries.acknowledge(SINK, under_way)
    assert len(drain(edge)) == 6


def test_nothing_undelivered_is_ever_pruned(edge):
    edge.publish(*life(), value=None)
    assert edge.outbox.prune(keep_s=-1.0) == 0
    assert len(drain(edge)) == 3
    assert edge.outbox.prune(keep_s=-1.0) == 3


def test_a_full_outbox_sheds_updates_first_and_openings_last(tmp_path):
    edge = Edge(tmp_path, Outbox(tmp_path / "outbox.db", OutboxLimits(max_events=6)))
    edge.outbox.deliveries.register([SINK])
    edge.publish(*life("low", severity=Severity.LOW, updates=2), value=None)
    edge.publish(*life("high", severity=Severity.HIGH, updates=1), value=None)
    edge.publish(*life("more", severity=Severity.HIGH, updates=0), value=None)
    left = [(event["data"]["incident_id"], event["data"]["phase"]) for event in drain(edge)]
    assert left == [
        ("low", "started"),
        ("low", "ended"),
        ("high", "started"),
        ("high", "ended"),
        ("more", "started"),
        ("more", "ended"),
    ]
    assert edge.outbox.counters.shed == 3
    edge.close()


def test_an_update_is_shed_itself_where_all_else_matters_more(tmp_path):
    edge = Edge(tmp_path, Outbox(tmp_path / "outbox.db", OutboxLimits(max_events=2)))
    edge.outbox.deliveries.register([SINK])
    started, updated, _ = life(severity=Severity.LOW)
    edge.publish(*life("high", severity=Severity.HIGH, updates=0), value=None)
    edge.publish(started, updated, value=None)
    assert {event["data"]["incident_id"] for event in drain(edge)} == {"high"}
    assert edge.outbox.counters.shed == 2
    edge.close()


def test_room_is_made_with_delivered_events_before_anything_is_shed(tmp_path):
    edge = Edge(tmp_path, Outbox(tmp_path / "outbox.db", OutboxLimits(max_events=4)))
    edge.outbox.deliveries.register([SINK])
    for number in range(5):
        edge.publish(*life(f"i-{number}"), value=None)
        assert len(drain(edge)) == 3
    assert edge.outbox.counters.shed == 0
    edge.close()


def test_bytes_are_bounded_whatever_is_delivered(tmp_path):
    limits = OutboxLimits(max_events=10_000, max_bytes=50_000)
    edge = Edge(tmp_path, Outbox(tmp_path / "outbox.db", limits))
    edge.outbox.deliveries.register([SINK])
    for number in range(60):
        edge.publish(*life(f"i-{number}", severity=Severity.LOW), value=None)
    with edge.outbox.file.transaction() as db:
        (used,) = db.execute("SELECT sum(length(body)) FROM event").fetchone()
        assert db.execute("SELECT events, bytes FROM usage").fetchone() == (
            db.execute("SELECT count(*) FROM event").fetchone()[0],
            used,
        )
    assert 0 < used <= 50_000
    assert drain(edge)[-1]["data"]["incident_id"] == "i-59"
    edge.close()


def test_images_are_shed_by_severity_when_the_spool_is_full(tmp_path):
    edge = Edge(tmp_path, spool=Spool(tmp_path / "spool", SpoolLimits(max_files=2)))
    edge.outbox.deliveries.register([SINK])
    edge.publish(*life("high", severity=Severity.HIGH)[:1])
    edge.publish(*life("low", severity=Severity.LOW)[:1])
    edge.publish(*life("medium", severity=Severity.MEDIUM)[:1])
    edge.publish(*life("late", severity=Severity.LOW)[:1])
    edge.upload()
    shown = {event["data"]["incident_id"]: images(event) for event in drain(edge)}
    assert shown == {
        "high": [("opening", "stored")],
        "low": [],
        "medium": [("opening", "stored")],
        "late": [],
    }
    assert edge.outbox.counters.keyframes_lost == 1
    assert edge.recorder.counters.keyframes_missed == 1
    edge.close()


def test_a_bad_row_is_set_aside_and_the_next_goes_on(edge):
    edge.publish(*life("bad")[:1])
    edge.publish(*life("good")[:1])
    with edge.outbox.file.transaction() as db:
        db.execute("UPDATE event SET body = CAST('not json' AS BLOB) WHERE incident = 'bad'")
    assert [event["data"]["incident_id"] for event in drain(edge)] == ["good"]
    (letter,) = edge.outbox.deliveries.dead.listed()
    assert letter.sink is None
    assert "unreadable" in letter.reason
    assert edge.outbox.deliveries.dead.request_replay() == 0


def test_a_bad_incident_or_keyframe_row_stops_nothing(edge):
    edge.publish(*life("bad")[:1])
    edge.publish(*life("good")[:1])
    drain(edge)
    with edge.outbox.file.transaction() as db:
        db.execute("UPDATE incident SET body = CAST('not json' AS BLOB) WHERE id = 'bad'")
        db.execute("UPDATE blob SET data = 'not json' WHERE incident = 'bad'")
    edge.upload()
    assert edge.outbox.blobs_pending() == 0
    assert [event["data"]["incident_id"] for event in drain(edge)] == ["good"]
    assert [last.data.incident_id for last in edge.outbox.open_incidents()] == ["good"]
    assert edge.outbox.open_incidents() == edge.outbox.open_incidents()


def test_everything_is_still_there_after_a_restart(edge, tmp_path):
    edge.publish(*life())
    edge.close()
    again = Edge(tmp_path)
    again.outbox.deliveries.register([SINK])
    assert again.recover() == 0
    again.upload()
    assert [images(event)[0] for event in drain(again)] == [("opening", "stored")] * 3
    again.close()


def test_what_a_crash_left_open_is_ended_once(edge, tmp_path):
    edge.publish(*life("over"), value=None)
    edge.publish(*life("open")[:2], value=None)
    edge.close()
    again = Edge(tmp_path)
    assert again.recover() == 1
    assert again.recover() == 0
    *_, last = drain(again)
    assert last["data"]["incident_id"] == "open"
    assert last["type"] == "cityeye.incident.ended"
    assert last["data"]["end_reason"] == "recovered"
    assert last["data"]["ended_at"] is not None
    assert last["data"]["revision"] == 3
    again.close()


def test_recovery_removes_images_that_no_event_names(edge, tmp_path):
    edge.publish(*life()[:1])
    kept = edge.spool.names()
    edge.spool.put("orphan.jpg", b"nobody knows me")
    edge.close()
    again = Edge(tmp_path)
    again.recover()
    assert again.spool.names() == kept
    again.close()


def test_recovery_leaves_alone_what_this_recorder_has_opened(edge):
    edge.publish(*life()[:1])
    assert edge.recover() == 0
    assert len(edge.spool.names()) == 1


def test_a_second_connection_is_refused(edge, tmp_path):
    with pytest.raises(OutboxInUse, match="one worker, one file"):
        OutboxFile(tmp_path / "outbox.db", busy_timeout_s=0.1)
    shell = sqlite3.connect(tmp_path / "outbox.db", timeout=0.1)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        shell.execute("SELECT count(*) FROM event")
    shell.close()


def test_a_damaged_file_is_set_aside_and_work_goes_on(tmp_path):
    (tmp_path / "outbox.db").write_bytes(b"this was never a database" * 100)
    edge = Edge(tmp_path)
    edge.outbox.deliveries.register([SINK])
    edge.publish(*life(), value=None)
    assert len(drain(edge)) == 3
    aside, report = sorted(tmp_path.glob("outbox.db.damaged-*"))
    assert report.name == f"{aside.name}.json"
    assert aside.read_bytes().startswith(b"this was never")
    edge.close()


def test_a_folder_that_cannot_be_is_a_clear_error(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutboxUnavailable, match="check the disk"):
        Outbox(tmp_path / "file" / "outbox.db")


def test_a_closed_outbox_says_so(tmp_path):
    outbox = Outbox(tmp_path / "outbox.db")
    outbox.close()
    outbox.close()
    with pytest.raises(OutboxUnavailable, match="closed"):
        outbox.deliveries.pending()


def test_a_backlog_says_since_when_its_oldest_event_waits(edge):
    deliveries = edge.outbox.deliveries
    assert deliveries.backlogs()[SINK].oldest is None
    began = datetime.now(UTC)
    edge.publish(*life(updates=1), value=None)
    first = deliveries.backlogs()[SINK].oldest
    assert began - timedelta(seconds=1) <= first <= datetime.now(UTC)
    deliveries.acknowledge(SINK, deliveries.next(SINK, "gate", 0.0))
    assert first < deliveries.backlogs()[SINK].oldest
    drain(edge)
    assert deliveries.backlogs()[SINK].oldest is None
