"""Each alert fires where it should and not in a city that is well; each has a runbook."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.k8s.prometheus import ROOT, alerts, faults, installed

RUNBOOKS: Final = (ROOT / "docs" / "runbooks.md").read_text("utf-8")
HOURS: Final = 2
CAM: Final = '{camera="gate"}'
VERSION: Final = '{model="traffic",version="1"}'
OF_WORKER: Final = '{worker="worker-0"}'
WELL: Final[Mapping[str, str]] = {
    'up{job="cityeye"}': "1",
    'up{job="cityeye-hub"}': "1",
    f"cityeye_worker_silent_seconds{OF_WORKER}": "1",
    f"cityeye_worker_restarts_total{OF_WORKER}": "1",
    "cityeye_health_problems": "0",
    'cityeye_cameras{state="online"}': "9",
    'cityeye_cameras{state="offline"}': "1",
    'cityeye_cameras{state="unknown"}': "0",
    'cityeye_camera_state{camera="gate",state="online"}': "1",
    'cityeye_camera_state{camera="gate",state="offline"}': "0",
    'cityeye_camera_state{camera="gate",state="degraded"}': "0",
    f"cityeye_camera_main_stream_up{CAM}": "1",
    f"cityeye_camera_reconnects_total{CAM}": "0+0.1x{n}",
    f"cityeye_camera_damaged_frames_total{CAM}": "0+1x{n}",
    f"cityeye_camera_decoded_frames_total{CAM}": "0+300x{n}",
    f"cityeye_camera_coverage_able_seconds_total{CAM}": "0+59x{n}",
    f"cityeye_camera_coverage_requested_seconds_total{CAM}": "0+60x{n}",
    f"cityeye_model_up{VERSION}": "1",
    'cityeye_model_errors_total{model="traffic",version="1",worker="worker-0"}': "0",
    'cityeye_model_requests_total{model="traffic",version="1",worker="worker-0"}': "0+300x{n}",
    'cityeye_model_queue_seconds_bucket{model="traffic",version="1",le="0.5"}': "0+300x{n}",
    'cityeye_model_queue_seconds_bucket{model="traffic",version="1",le="2.5"}': "0+300x{n}",
    'cityeye_model_queue_seconds_bucket{model="traffic",version="1",le="+Inf"}': "0+300x{n}",
    'cityeye_load_asked_fps{priority="normal"}': "50",
    'cityeye_load_given_fps{priority="normal"}': "49",
    'cityeye_sink_up{sink="hub"}': "1",
    'cityeye_sink_oldest_pending_seconds{sink="hub"}': "2",
    'cityeye_sink_dead_letters{sink="hub"}': "3",
    f"cityeye_events_lost_total{OF_WORKER}": "0",
    f"cityeye_events_shed_total{OF_WORKER}": "0",
    "cityeye_hub_subscription_oldest_pending_seconds": "5",
    "cityeye_hub_subscription_dead_letters": "0",
    "cityeye_keyframes_pending": "2",
    f"cityeye_keyframes_stored_total{OF_WORKER}": "0+1x{n}",
    f"cityeye_keyframes_lost_total{OF_WORKER}": "0",
    "cityeye_events_unsaved": "0",
    "cityeye_disk_free_bytes": "500000000000-10000000x{n}",
    "cityeye_disk_size_bytes": "1000000000000",
    'cityeye_hub_requests_total{method="GET",route="/healthz",status="2xx"}': "0+60x{n}",
    'cityeye_hub_requests_total{method="GET",route="/healthz",status="5xx"}': "0",
    'cityeye_hub_request_seconds_bucket{le="0.1"}': "0+60x{n}",
    'cityeye_hub_request_seconds_bucket{le="2.5"}': "0+60x{n}",
    'cityeye_hub_request_seconds_bucket{le="+Inf"}': "0+60x{n}",
    'cityeye_hub_events_total{result="heartbeat"}': "0+15x{n}",
}
"""Every series that an alert reads, a sample a minute, in a city of ten cameras that is well."""


@dataclass(frozen=True)
class Trouble:
    """Series that are otherwise, what the alert then says, and its labels beside the severity."""

    series: Mapping[str, str]
    says: str
    labels: Mapping[str, str] = field(default_factory=dict)
    gone: tuple[str, ...] = ()


GATE: Final = {"camera": "gate"}
TRAFFIC: Final = {"model": "traffic", "version": "1"}
HUB: Final = {"sink": "hub"}
TROUBLES: Final[Mapping[str, Trouble]] = {
    "CityEyeAway": Trouble(
        {'up{job="cityeye"}': "0"},
        "The control API gives no metrics; nothing is known of any camera",
        {"job": "cityeye"},
    ),
    "CityEyeHubAway": Trouble(
        {},
        "The event hub gives no metrics; events wait in the outboxes",
        {"job": "cityeye-hub"},
        gone=('up{job="cityeye-hub"}',),
    ),
    "CityEyeWorkerSilent": Trouble(
        {f"cityeye_worker_silent_seconds{OF_WORKER}": "90"},
        "worker-0 has not answered for 1m 30s",
        {"worker": "worker-0"},
    ),
    "CityEyeWorkerRestarts": Trouble(
        {f"cityeye_worker_restarts_total{OF_WORKER}": "0+0.2x{n}"},
        "worker-0 was replaced 6 times within half an hour",
        {"worker": "worker-0"},
    ),
    "CityEyeHealthProblems": Trouble(
        {"cityeye_health_problems": "2"}, "/health has named 2 problems or more for half an hour"
    ),
    "CityEyeCamerasUnknown": Trouble(
        {'cityeye_cameras{state="unknown"}': "8"},
        "Nothing is known of 8 cameras; nobody may be watching them",
        {"state": "unknown"},
    ),
    "CityEyeManyCamerasOffline": Trouble(
        {'cityeye_cameras{state="offline"}': "3"}, "25% of all cameras send no images"
    ),
    "CityEyeCameraOffline": Trouble(
        {'cityeye_camera_state{camera="gate",state="offline"}': "1"},
        "Camera gate is offline",
        GATE | {"state": "offline"},
    ),
    "CityEyeCameraDegraded": Trouble(
        {'cityeye_camera_state{camera="gate",state="degraded"}': "1"},
        "Camera gate is degraded",
        GATE | {"state": "degraded"},
    ),
    "CityEyeMainStreamAway": Trouble(
        {f"cityeye_camera_main_stream_up{CAM}": "0"},
        "Keyframes of camera gate are of its smaller stream",
        GATE,
    ),
    "CityEyeCameraReconnects": Trouble(
        {f"cityeye_camera_reconnects_total{CAM}": "0+1x{n}"},
        "Camera gate was opened again 30 times within half an hour",
        GATE,
    ),
    "CityEyeCameraImagesDamaged": Trouble(
        {f"cityeye_camera_damaged_frames_total{CAM}": "0+100x{n}"},
        "25% of the images of camera gate are damaged",
        GATE,
    ),
    "CityEyeCameraCoverageLow": Trouble(
        {f"cityeye_camera_coverage_able_seconds_total{CAM}": "0+30x{n}"},
        "Camera gate could see its place for 50% of the last hour",
        GATE,
    ),
    "CityEyeModelDown": Trouble(
        {f"cityeye_model_up{VERSION}": "0"}, "Model traffic/1 does not run as it should", TRAFFIC
    ),
    "CityEyeModelErrors": Trouble(
        {
            'cityeye_model_errors_total{model="traffic",version="1",worker="worker-0"}': "0+30x{n}",
        },
        "10% of the batches of model traffic/1 fail",
        TRAFFIC,
    ),
    "CityEyeModelQueue": Trouble(
        {'cityeye_model_queue_seconds_bucket{model="traffic",version="1",le="0.5"}': "0"},
        "Batches wait 2.4s for model traffic/1",
        TRAFFIC,
    ),
    "CityEyeOverload": Trouble(
        {'cityeye_load_given_fps{priority="normal"}': "40"},
        "Tasks of priority normal get 80% of the inferences that they ask for",
        {"priority": "normal"},
    ),
    "CityEyeSinkDown": Trouble(
        {'cityeye_sink_up{sink="hub"}': "0"}, "Sink hub takes no events; they wait", HUB
    ),
    "CityEyeDeliveryLate": Trouble(
        {'cityeye_sink_oldest_pending_seconds{sink="hub"}': "1200"},
        "The oldest event that sink hub has not got is 20m 0s old",
        HUB,
    ),
    "CityEyeDeadLetters": Trouble(
        {'cityeye_sink_dead_letters{sink="hub"}': "0+1x{n}"},
        "Sink hub refused events for good within the last hour",
        HUB,
    ),
    "CityEyeEventsLost": Trouble(
        {f"cityeye_events_shed_total{OF_WORKER}": "0+1x{n}"},
        "Events were given up within the last half hour",
    ),
    "CityEyeSubscriptionLate": Trouble(
        {"cityeye_hub_subscription_oldest_pending_seconds": "3600"},
        "The oldest event that waits for a receiver of a subscription is 1h 0m 0s old",
    ),
    "CityEyeSubscriptionDeadLetters": Trouble(
        {"cityeye_hub_subscription_dead_letters": "0+1x{n}"},
        "A receiver of a subscription refused events for good within the last hour",
    ),
    "CityEyeKeyframesWait": Trouble(
        {f"cityeye_keyframes_stored_total{OF_WORKER}": "7"},
        "2 files of evidence wait, and the keyframe store takes none",
    ),
    "CityEyeKeyframesLost": Trouble(
        {f"cityeye_keyframes_lost_total{OF_WORKER}": "0+1x{n}"},
        "Keyframes were lost within the last half hour before they were stored",
    ),
    "CityEyeDiskTakesNothing": Trouble(
        {"cityeye_events_unsaved": "4"},
        "The disk takes no events; 4 are in memory alone",
    ),
    "CityEyeDiskAlmostFull": Trouble(
        {"cityeye_disk_free_bytes": "50000000000"},
        "5% of the disk of the state folder are free",
    ),
    "CityEyeDiskFullSoon": Trouble(
        {"cityeye_disk_free_bytes": "900000000000-1000000000x{n}"},
        "At the pace of the last six hours the disk of the state folder is full within a day",
    ),
    "CityEyeHubErrors": Trouble(
        {'cityeye_hub_requests_total{method="GET",route="/healthz",status="5xx"}': "0+20x{n}"},
        "25% of the requests to the event hub fail",
    ),
    "CityEyeHubSlow": Trouble(
        {'cityeye_hub_request_seconds_bucket{le="0.1"}': "0"},
        "The event hub needs 2.38s for an answer",
    ),
    "CityEyeHubHearsNobody": Trouble(
        {'cityeye_hub_events_total{result="heartbeat"}': "20"},
        "No camera worker has sent a heartbeat to the event hub for minutes",
    ),
}
RULES: Final = {rule["alert"]: rule for rule in alerts()}


def expected(name: str, trouble: Trouble) -> dict[str, Any]:
    rule = RULES[name]
    return {
        "exp_labels": rule["labels"] | trouble.labels,
        "exp_annotations": rule["annotations"] | {"summary": trouble.says},
    }


def outcome(folder: Path, series: Mapping[str, str], expecting: Mapping[str, list[Any]]) -> str:
    """What promtool finds against a test with these series; empty where all is as expected."""
    minutes = HOURS * 60
    test = {
        "interval": "1m",
        "input_series": [
            {"series": name, "values": _for_all_the_time(values, minutes)}
            for name, values in series.items()
        ],
        "alert_rule_test": [
            {"eval_time": f"{HOURS}h", "alertname": name, "exp_alerts": found}
            for name, found in expecting.items()
        ],
    }
    # Only the rules in question: all of them take minutes of a busy machine for each test.
    groups = [{"name": "asked", "rules": [RULES[name] for name in expecting]}]
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}), "utf-8")
    page = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}
    text = yaml.safe_dump(page)
    path = folder / "test.yaml"
    path.write_text(text, "utf-8")
    done = subprocess.run(
        [installed("promtool"), "test", "rules", path], capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _for_all_the_time(values: str, minutes: int) -> str:
    """One value that stays, or values that grow."""
    return values.format(n=minutes) if "x" in values else f"{values}x{minutes}"


def test_there_is_a_trouble_for_every_alert() -> None:
    assert TROUBLES.keys() == RULES.keys()


def test_a_city_that_is_well_has_no_alert(tmp_path: Path) -> None:
    assert outcome(tmp_path, WELL, {name: [] for name in RULES}) == ""


@pytest.mark.parametrize("name", RULES)
def test_an_alert_fires(name: str, tmp_path: Path) -> None:
    trouble = TROUBLES[name]
    kept = {key: one for key, one in WELL.items() if key not in trouble.gone}
    series = {**kept, **trouble.series}
    assert series != WELL
    assert trouble.series.keys() <= WELL.keys()
    assert outcome(tmp_path, series, {name: [expected(name, trouble)]}) == ""


@pytest.mark.parametrize("name", RULES)
def test_an_alert_reads_what_the_table_has_and_names_its_runbook(name: str) -> None:
    rule = RULES[name]
    assert list(faults(rule["expr"])) == []
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"]["runbook"] == f"docs/runbooks.md#{name.lower()}"
    assert f"\n### {name}\n" in RUNBOOKS


def test_there_is_no_runbook_without_an_alert() -> None:
    lines = RUNBOOKS.splitlines()
    titles = [line.removeprefix("### ") for line in lines if line.startswith("### ")]
    assert titles == list(RULES)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("cityeye_nothing > 1", "there is no metric cityeye_nothing"),
        ('cityeye_cameras{camera="a"}', "cityeye_cameras has no label camera"),
        ("sum by (version) (cityeye_cameras)", "none of its metrics has a label version"),
        ("rate(cityeye_model_queue_seconds[5m])", "there is no metric cityeye_model_queue_seconds"),
    ],
)
def test_a_query_that_names_what_is_not_there_is_noticed(query: str, says: str) -> None:
    assert list(faults(query)) == [says]
