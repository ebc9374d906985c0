"""What is older than a few seconds is unknown, on every surface of the control API."""

from __future__ import annotations

from datetime import UTC, datetime

from prometheus_client.parser import text_string_to_metric_families

from pipelines.delivery.sink_state import SinkState
from pipelines.metrics import InferenceMetrics
from serving.api.answers import camera_answers
from serving.api.health import health_answer, unknown_health
from serving.api.metrics import CityFacts, exposition
from serving.worker_state import KNOWN_FOR_S, WorkerState, loads_of
from tests.serving.workers import worker_state

SILENT = worker_state("gate", "yard", silent_s=KNOWN_FOR_S + 2, alive=False)
NEVER = worker_state("gate", "yard", answered=False, silent_s=40.0, alive=False)
STARTED = worker_state("gate", answered=False, silent_s=0.3, alive=False)
REPLACED = worker_state(
    "gate", "yard", answered=False, silent_s=0.4, alive=False, problem="died: no memory", restarts=1
)
WELL = worker_state("gate", "yard")


def health_of(*workers: WorkerState, **notes: str):
    return health_answer(workers, [], [], notes)


def test_a_fresh_answer_is_known():
    assert [camera.id for camera in WELL.cameras] == ["gate", "yard"]
    assert WELL.unknown == ()
    assert WELL.silence == ""
    assert health_of(WELL).status == "ok"


def test_cameras_of_a_silent_worker_are_not_online_and_are_named():
    for state in (SILENT, NEVER, REPLACED):
        assert state.cameras == ()
        assert state.unknown == ("gate", "yard")
        assert loads_of([state]) == {}
        health = health_of(state)
        assert (health.status, health.cameras, health.cameras_online) == ("degraded", 2, 0)
        assert health.cameras_unknown == 2
        (problem,) = health.problems
        assert problem.endswith("; nothing is known of cameras gate, yard")
        assert health.events_delivered == 0


def test_the_reason_says_what_is_known():
    assert SILENT.silence == "worker-0 has not answered for 7 s"
    assert NEVER.silence == "worker-0 has not answered in the 40 s since its start"
    assert STARTED.silence == "worker-0 has just been started"
    assert "was replaced and does not answer yet: died: no memory" in REPLACED.silence


def test_a_worker_that_missed_a_moment_is_named_while_its_cameras_are_still_known():
    late = worker_state("gate", silent_s=KNOWN_FOR_S - 1, alive=False)
    health = health_of(late)
    assert health.problems == ("worker-0 does not answer",)
    assert health.cameras_online == 1


def test_health_names_parts_that_run_elsewhere():
    health = health_of(WELL, hub="the event hub is away: it has not answered for 9 s")
    assert health.status == "degraded"
    assert health.problems == ("the event hub is away: it has not answered for 9 s",)


def test_health_names_a_camera_whose_image_is_frozen():
    health = health_of(worker_state("gate", "yard", degraded={"yard": "the image is frozen"}))
    assert health.status == "degraded"
    assert health.problems == ("camera yard is degraded: the image is frozen",)
    assert (health.cameras_online, health.cameras_degraded) == (1, 1)


def test_without_a_director_nothing_is_known_of_any_camera():
    health = unknown_health("the director does not answer", 4)
    assert (health.status, health.cameras, health.cameras_online) == ("degraded", 4, 0)
    assert health.cameras_unknown == 4
    assert health.problems == ("the director does not answer; nothing is known of any camera",)


def test_many_cameras_of_a_silent_worker_make_a_short_sentence():
    cameras = [f"camera-{number}" for number in range(40)]
    (problem,) = health_of(worker_state(*cameras, silent_s=60.0)).problems
    assert problem.endswith("camera-7 and 32 more")


def test_cameras_are_listed_in_order_with_what_is_known():
    other = worker_state("roof")
    answers = camera_answers([SILENT, other])
    assert [(one.id, one.state) for one in answers] == [
        ("gate", "unknown"),
        ("yard", "unknown"),
        ("roof", "online"),
    ]
    assert answers[0].analysed is None
    assert answers[0].reason == "worker-0 has not answered for 7 s"
    assert answers[2].analysed == 40


SINCE = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
AWAY = SinkState("hub", 7, 3, 2, 1, 0, "answered 401: check its URL and its token", SINCE)
TAKES = SinkState("city", 9)


def test_health_names_a_sink_that_takes_no_events_and_counts_what_waits():
    health = health_of(worker_state("gate", sinks=(AWAY, TAKES)), worker_state("yard"))
    assert health.status == "degraded"
    assert health.problems == (AWAY.trouble,)
    assert (health.events_pending, health.events_dead) == (4, 2)
    hub, city = health.sinks
    assert (hub.status, hub.pending, hub.dead, hub.since) == ("failing", 2, 1, SINCE)
    assert hub.reason == "answered 401: check its URL and its token"
    assert (city.status, city.delivered) == ("ok", 9)


def test_health_names_dead_letters_of_the_last_day():
    lately = SinkState("hub", 7, 3, 0, 5, 2)
    health = health_of(worker_state("gate", sinks=(lately,)))
    assert health.status == "degraded"
    assert "`cityeye events replay`" in health.problems[0]
    assert health_of(worker_state("gate", sinks=(SinkState("hub", dead=5),))).status == "ok"


def test_metrics_count_what_waits_and_what_is_dead_by_sink():
    text = exposition(CityFacts([worker_state("gate", sinks=(AWAY, TAKES))])).decode()
    families = {f.name: f.samples for f in text_string_to_metric_families(text)}
    values = {
        name: {sample.labels["sink"]: sample.value for sample in families[f"cityeye_sink_{name}"]}
        for name in ("up", "pending_events", "dead_letters", "deliveries", "failures")
    }
    assert values == {
        "up": {"hub": 0, "city": 1},
        "pending_events": {"hub": 2, "city": 0},
        "dead_letters": {"hub": 1, "city": 0},
        "deliveries": {"hub": 7, "city": 9},
        "failures": {"hub": 3, "city": 0},
    }


def test_metrics_have_no_samples_of_a_silent_worker_but_its_silence():
    def samples(state: WorkerState) -> dict[str, list[tuple[dict[str, str], float]]]:
        text = exposition(CityFacts([state], totals={"traffic/1": InferenceMetrics()})).decode()
        families = text_string_to_metric_families(text)
        return {f.name: [(dict(s.labels), s.value) for s in f.samples] for f in families}

    silent, well = samples(SILENT), samples(WELL)
    assert ({"state": "unknown"}, 2.0) in silent["cityeye_cameras"]
    assert not [one for one in silent["cityeye_cameras"] if one[0]["state"] == "online"]
    assert ({"state": "online"}, 2.0) in well["cityeye_cameras"]
    assert ({"state": "unknown"}, 0.0) in well["cityeye_cameras"]
    assert well["cityeye_model_images"]
    assert not silent["cityeye_model_images"]
    assert silent["cityeye_worker_silent_seconds"] == [({"worker": "worker-0"}, 7.0)]
