"""What may be drawn over a keyframe goes with it as data, bounded, and the image stays clean."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from models.detections import Box
from pipelines.evidence_frame import (
    MAX_TRACKS,
    TRAIL_POINTS,
    EvidenceFrame,
    PeakFrames,
    TrackTrails,
    outlines,
)
from pipelines.incident import Peak, Phase, Severity, Subject, Transition
from pipelines.rules.zone import Line, Zone
from pipelines.track import Track
from tests.pipelines.delivery.outboxes import MODEL, OPENED, RULE, Edge, camera, image, incident

SQUARE = Zone("square", ((0.1, 0.1), (0.9, 0.1), (0.5, 0.9)))
PLACES = outlines((SQUARE, Line("gate", (0.0, 0.5), (1.0, 0.5))))


def track(name: int, x: float = 0.5, score: float = 0.5) -> Track:
    return Track(name, "person", Box(x, 0.4, x + 0.01234567, 0.6), score, 0.0, 0.0)


def published(folder, frame, at_peak=None, **changes):
    edge = Edge(folder)
    found = replace(incident(), **changes)
    edge.recorder.publish(Transition(Phase.STARTED, found), camera(), MODEL, RULE, frame, at_peak)
    (last,) = edge.outbox.open_incidents()
    with edge.outbox.file.transaction() as db:
        ((body,),) = db.execute("SELECT body FROM event").fetchall()
    edge.close()
    return last.data, body


def test_a_keyframe_is_clean_and_names_zone_boxes_and_trails(tmp_path):
    frame = EvidenceFrame(image(90), (track(7), track(8)), {7: ((0.1, 0.2), (0.3, 0.4))}, PLACES)
    data, _ = published(tmp_path, frame)
    (keyframe,) = data.keyframes
    assert keyframe.at == data.updated_at
    assert keyframe.overlay.place == SQUARE.polygon
    by_track = {one.track: one for one in keyframe.overlay.tracks}
    assert by_track[7].trail == ((0.1, 0.2), (0.3, 0.4))
    assert (by_track[7].subject, by_track[8].subject) == (True, False)
    assert by_track[8].box == (0.5, 0.4, 0.5123, 0.6)
    stored = np.frombuffer((tmp_path / "spool" / keyframe.name).read_bytes(), np.uint8)
    assert np.ptp(cv2.imdecode(stored, cv2.IMREAD_COLOR)) <= 2, "nothing is drawn into it"


def test_a_line_is_drawn_as_its_two_ends(tmp_path):
    data, _ = published(tmp_path, EvidenceFrame(image(), places=PLACES), zone="gate")
    assert data.keyframes[0].overlay.place == ((0.0, 0.5), (1.0, 0.5))


def test_the_largest_crowd_makes_no_large_event(tmp_path):
    tracks = tuple(track(n, score=n / 400) for n in range(300))
    trails = dict.fromkeys(range(300), ((0.1234, 0.5678),) * TRAIL_POINTS)
    subjects = tuple(Subject(n, "person", track(n).box, n / 400) for n in range(300))
    frame = EvidenceFrame(image(), tracks, trails, PLACES)
    peak = Peak(OPENED, Severity.HIGH, 300.0, {"persons": 300.0}, subjects)
    data, body = published(tmp_path, frame, frame, subjects=subjects, peak=peak)
    assert [one.role for one in data.keyframes] == ["peak", "opening"]
    for one in data.keyframes:
        assert len(one.overlay.tracks) == MAX_TRACKS
    assert len(body) < 40_000, "three keyframes stay below the 64 KiB of receivers"


def test_a_trail_has_the_newest_places_and_those_that_are_gone_are_forgotten():
    trails = TrackTrails()
    for tenth in range(100):
        trails.observe([track(1, tenth / 200)], tenth / 10)
    (trail,) = trails.of([track(1)]).values()
    assert len(trail) == TRAIL_POINTS
    assert trail == tuple(sorted(trail))
    assert trail[-1][0] > 0.45
    for second in range(20, 30):
        trails.observe([track(2)], second)
    assert [*trails.of([track(1), track(2)])] == [2]


def test_no_more_than_a_few_images_are_held():
    frames = PeakFrames()
    for number in range(3 * PeakFrames.MOST):
        frames.keep(f"i-{number}", EvidenceFrame(image(number)))
    held = [frames.take(f"i-{number}") is not None for number in range(3 * PeakFrames.MOST)]
    assert held == [False] * 2 * PeakFrames.MOST + [True] * PeakFrames.MOST
    assert frames.take("i-23") is None
