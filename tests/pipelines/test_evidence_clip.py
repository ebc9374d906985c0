"""A clip of an incident, from the camera's packets to the store and the event that names it."""

from __future__ import annotations

import io
import os
import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import av
import pytest

from camera_adapters.packet_ring import ClipWindow, PacketFormat
from pipelines.delivery.spool import Spool, SpoolLimits
from pipelines.event import EVENT
from pipelines.evidence_clip import ClipRecorder
from pipelines.evidence_frame import EvidenceFrame
from pipelines.incident import Transition
from pipelines.keyframe_key import is_content_of, is_restricted_key
from tests.camera_adapters.clips import TinyClip, read_number, write_clip
from tests.camera_adapters.filled_ring import BEGIN_S, FilledRing
from tests.pipelines.delivery.outboxes import MODEL, RULE, Edge, camera, image, life

WINDOW = ClipWindow(before_s=1, after_s=1)
BEGIN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
CAMERA = replace(camera(), clip=WINDOW)


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> TinyClip:
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4")


class Street:
    """A camera whose packets come from a clip, and its worker's recorder."""

    def __init__(self, folder: Path, clip: TinyClip, spool: Spool | None = None) -> None:
        self.edge = Edge(folder, spool=spool)
        self.edge.recover()
        self.clip = clip
        self.filled = FilledRing(WINDOW)
        self.filled.begin(clip.path)
        self.clips = ClipRecorder(
            WINDOW, self.filled.ring, self.edge.recorder, lambda: self.filled.now_s, self.utc
        )
        self._names = (f"i-{number}" for number in count(1))

    def utc(self) -> datetime:
        return BEGIN + timedelta(seconds=self.filled.now_s - BEGIN_S)

    def watch(self) -> None:
        """Some seconds pass."""
        self.filled.put(self.clip.path)
        self.clips.check()

    def opens(self, ago_s: float = 0.5) -> list[Transition]:
        """Publishes the opening of an incident; gives all that would follow."""
        opened_at = self.utc() - timedelta(seconds=ago_s)
        steps = [
            replace(one, incident=replace(one.incident, opened_at=opened_at))
            for one in life(next(self._names))
        ]
        self.publish(steps[0])
        return steps[1:]

    def publish(self, transition: Transition) -> None:
        self.clips.publish(transition, CAMERA, MODEL, RULE, EvidenceFrame(image()))

    def events(self) -> list[dict[str, Any]]:
        """The data of every event of the outbox, in their order."""
        with self.edge.outbox.file.transaction() as db:
            rows = db.execute("SELECT body FROM event ORDER BY seq").fetchall()
        return [EVENT.validate_json(row[0]).model_dump(mode="json")["data"] for row in rows]


@pytest.fixture
def street(tmp_path, clip) -> Street:
    return Street(tmp_path, clip)


def test_an_incident_gets_what_was_sent_around_its_opening(street, clip):
    street.watch()
    opened_s = street.filled.now_s - 0.5
    street.opens()
    (opening,) = street.events()
    # The opening does not wait for it, and says that one is to come.
    assert opening["clip"]["state"] == "pending"
    assert not opening["clip"]["key"]
    street.watch()
    assert len(street.events()) == 1
    street.edge.upload()
    later = street.events()[-1]
    assert (later["phase"], later["revision"]) == ("updated", 2)
    said = later["clip"]
    assert (said["state"], said["media_type"], said["reason"]) == ("stored", "video/mp4", "")
    assert is_restricted_key(said["key"])
    data = street.edge.store.get(said["key"])
    assert (len(data), is_content_of(said["key"], data)) == (said["size_bytes"], True)
    with av.open(io.BytesIO(data), "r") as container:
        images = [read_number(one.to_ndarray(format="rgb24")) for one in container.decode(video=0)]
    begins_s = (datetime.fromisoformat(said["begins_at"]) - BEGIN).total_seconds() + BEGIN_S
    assert begins_s <= opened_s - WINDOW.before_s
    assert begins_s + said["duration_s"] == pytest.approx(opened_s + WINDOW.after_s, abs=0.2)
    assert len(images) == pytest.approx(said["duration_s"] * clip.fps, abs=1)


def test_it_goes_on_in_every_later_event(street):
    street.watch()
    rest = street.opens()
    street.watch()
    street.edge.upload()
    for one in rest:
        street.publish(one)
    assert [one["clip"]["state"] for one in street.events()] == [
        "pending",
        "stored",
        "stored",
        "stored",
    ]


def test_one_that_is_stored_after_the_end_revises_the_end(street):
    street.watch()
    rest = street.opens()
    for one in rest:
        street.publish(one)
    street.watch()
    street.edge.upload()
    assert [(one["phase"], one["clip"]["state"]) for one in street.events()] == [
        ("started", "pending"),
        ("updated", "pending"),
        ("ended", "pending"),
        ("ended", "stored"),
    ]


def test_two_incidents_at_once_have_one_each(street):
    street.watch()
    street.opens(0.6)
    street.opens(0.4)
    street.watch()
    street.edge.upload()
    stored = [one for one in street.events() if one["clip"]["state"] == "stored"]
    assert {one["incident_id"] for one in stored} == {"i-1", "i-2"}
    assert len({one["clip"]["key"] for one in stored}) == 2


def test_a_camera_without_video_that_fits_says_why(street):
    street.filled.ring.begin(PacketFormat("mjpeg"))
    street.watch()
    rest = street.opens()
    street.clips.finish()
    street.publish(rest[-1])
    states = [
        (one["phase"], one["clip"]["state"], one["clip"]["reason"]) for one in street.events()
    ]
    why = "its video is mjpeg, and clips are made of H.264 and H.265"
    assert states == [
        ("started", "pending", ""),
        ("updated", "none", why),
        ("ended", "none", why),
    ]


def test_a_camera_that_stops_leaves_what_there_is(street):
    street.watch()
    street.opens(ago_s=0)
    street.clips.finish()
    street.edge.upload()
    said = street.events()[-1]["clip"]
    assert said["state"] == "stored"
    assert "early: no more video came" in said["reason"]


def test_one_that_was_kept_survives_a_crash(street, tmp_path, clip):
    street.watch()
    street.opens()
    street.watch()
    street.edge.close()
    again = Street(tmp_path, clip)
    again.edge.upload()
    ended = again.events()[-1]
    assert (ended["phase"], ended["end_reason"]) == ("ended", "recovered")
    assert ended["clip"]["state"] == "stored"
    assert again.edge.store.exists(ended["clip"]["key"])


def test_kill_9_after_it_was_kept_costs_nothing(tmp_path, clip):
    worker = os.fork()
    if worker == 0:
        street = Street(tmp_path, clip)
        street.watch()
        street.opens()
        street.watch()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(worker, 0)
    again = Street(tmp_path, clip)
    again.edge.upload()
    ended = again.events()[-1]
    assert (ended["phase"], ended["clip"]["state"]) == ("ended", "stored")
    data = again.edge.store.get(ended["clip"]["key"])
    assert is_content_of(ended["clip"]["key"], data)


def test_one_that_was_not_kept_before_a_crash_is_said_not_to_come(street, tmp_path, clip):
    street.watch()
    first, second = street.opens(), street.opens()
    for one in second:
        street.publish(one)
    assert first
    street.edge.close()
    again = Street(tmp_path, clip)
    for name in ("i-1", "i-2"):
        last = [one for one in again.events() if one["incident_id"] == name][-1]
        assert (last["phase"], last["clip"]["state"]) == ("ended", "none")
        assert last["clip"]["reason"] == "the worker ended before it was kept"


def test_a_spool_without_room_says_so(tmp_path, clip):
    street = Street(tmp_path, clip, Spool(tmp_path / "spool", SpoolLimits(max_bytes=6000)))
    street.watch()
    street.opens()
    street.watch()
    said = street.events()[-1]["clip"]
    assert (said["state"], said["reason"]) == ("none", "the spool is full")


def test_clips_are_given_up_before_keyframes(tmp_path, clip):
    limits = SpoolLimits(max_bytes=100_000, max_files=3)
    street = Street(tmp_path, clip, Spool(tmp_path / "spool", limits))
    street.edge.store.down = True
    street.watch()
    street.opens()
    street.watch()
    assert any(name.endswith(".mp4") for name in street.edge.spool.names())
    street.edge.publish(*life("other")[:1])
    street.edge.publish(*life("third")[:1])
    names = street.edge.spool.names()
    assert (len(names), any(name.endswith(".mp4") for name in names)) == (3, False)
    said = [one for one in street.events() if one["incident_id"] == "i-1"][-1]["clip"]
    assert said["state"] == "none"
    assert "given up" in said["reason"]
    assert street.edge.outbox.counters.keyframes_lost == 0


def test_the_store_that_comes_back_gets_keyframes_first(street):
    street.watch()
    street.opens()
    street.watch()
    street.edge.publish(*life("other")[:1])
    stored = []
    while (blob := street.edge.outbox.next_blob()) is not None:
        stored.append(blob.media_type)
        street.edge.outbox.blob_stored(blob.key)
    assert stored == ["image/jpeg", "image/jpeg", "video/mp4"]


def test_a_camera_that_wants_none_says_nothing_of_it(street):
    street.edge.publish(*life("plain"))
    assert {str(one["clip"]) for one in street.events()} == {"None"}
