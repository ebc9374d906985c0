"""The schemas that are checked in are those of the contract, and only grow within a version."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from pipelines import event_schemas
from pipelines.event import (
    EVENT,
    EVENT_TYPES,
    CameraBeat,
    CameraData,
    CameraStateData,
    CameraStateEvent,
    CaseEvent,
    CoverageData,
    Event,
    HeartbeatData,
    HeartbeatEvent,
    IncidentData,
    IncidentEvent,
    MeasurementData,
    MeasurementEvent,
    NoticeData,
    NoticeEvent,
    OutgoingEvent,
    VersionData,
)
from pipelines.event_case import CaseActorData, CaseIncidentData, CaseWorkData
from pipelines.event_evidence import KeyframeData
from pipelines.event_identity import hub_source, worker_source
from pipelines.event_incident import SubjectData
from pipelines.event_schemas import (
    FOLDER,
    SCHEMAS,
    as_text,
    breaking_changes,
    generated,
    schema_file,
)

NOW = datetime(2026, 11, 20, 4, 30, tzinfo=UTC)
GATE = CameraData(id="gate-1", name="North Gate")
MODEL = VersionData(name="street", version="1")
WORKER = worker_source("510118-Xinjin", "w")
HUB = hub_source("510118-Xinjin", "h")
COMMON: dict[str, Any] = {"subject": "s", "time": NOW, "partitionkey": "gate-1", "sequence": "1"}


def example(kind: str) -> OutgoingEvent:
    known = COMMON | {"id": kind, "source": "cityeye/510118-Xinjin/gate-1"}
    if kind.startswith("cityeye.incident."):
        data = IncidentData(
            incident_id="i-1", kind="crowding.density", phase=kind.rpartition(".")[2],
            revision=1, severity="high", camera=GATE, zone="square", opened_at=NOW,
            updated_at=NOW, ended_at=NOW, end_reason="cleared", detail={"persons": 12.0},
            subjects=(SubjectData(track=1, label="person", score=0.9, box=(0, 0, 1, 1)),),
            keyframes=(
                KeyframeData(
                    role="peak", key="a", sha256="b", size_bytes=1, width=2, height=3, url="https://h/a"
                ),
            ),
            model=MODEL, rule=MODEL,
        )  # fmt: skip
        return IncidentEvent(**known, type=kind, data=data)
    if kind == "cityeye.camera.state":
        state = CameraStateData(camera=GATE, state="online", previous="", reason="", since=NOW)
        return CameraStateEvent(**known, data=state)
    if kind == "cityeye.measurement":
        seen = CoverageData(requested_s=60, watched_s=50, able_s=50, gaps={"offline": 10})
        place = {"camera": GATE, "task": "traffic", "zone": "exit", "coverage": seen}
        known_too = {"begins_at": NOW, "ends_at": NOW, "model": MODEL, "rule": MODEL}
        number = {"kind": "traffic.flow", "value": 7.5, "unit": "1/min"}
        measured = MeasurementData(**number, **place, **known_too)
        return MeasurementEvent(**known, data=measured)
    if kind == "cityeye.worker.notice":
        lost = {"count": 3}
        said = NoticeData(worker="w", kind="events_lost", text="lost", at=NOW, values=lost)
        return NoticeEvent(**known | {"source": WORKER, "partitionkey": "w"}, data=said)
    if kind.startswith("cityeye.case."):
        place = {"kind": "crowding.density", "camera": GATE, "zone": "square"}
        found = CaseIncidentData(
            incident_id="i-1", severity="high", model=MODEL, rule=MODEL, **place
        )
        work = CaseWorkData(
            case_id="c-1", revision=1, state="confirmed", previous="new", at=NOW,
            by=CaseActorData(name="Ann", role="operator"), incidents=(found,),
        )  # fmt: skip
        return CaseEvent(**known | {"source": HUB}, type=kind, data=work)
    assert kind == "cityeye.worker.heartbeat"
    beats = (CameraBeat(camera=GATE, state="online"),)
    beat = HeartbeatData(worker="w", beat=1, uptime_s=4.0, valid_s=12.0, cameras=beats)
    return HeartbeatEvent(**known, expirytime=NOW + timedelta(seconds=12), data=beat)


def schema_of(event: dict[str, Any]) -> dict[str, Any]:
    """The schema that an event names, as a reader finds it."""
    *_, name, major = event["dataschema"].split(":")
    body = schema_file(f"{name}-{major}.json")
    assert body is not None
    schema = json.loads(body)
    assert schema["$id"] == event["dataschema"]
    return dict(schema)


@pytest.mark.parametrize("kind", sorted(EVENT_TYPES))
def test_every_kind_of_event_names_a_schema_and_fits_it(kind: str) -> None:
    event = json.loads(example(kind).model_dump_json())
    schema = schema_of(event)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    validator.validate(event["data"])
    # A reader of today has to live with what a newer program adds.
    validator.validate(event["data"] | {"new": 1})
    with pytest.raises(ValidationError):
        validator.validate({})


def test_what_is_published_keeps_its_schema() -> None:
    event = example("cityeye.camera.state").finished("7")
    assert EVENT.validate_json(event.model_dump_json()).dataschema == event.dataschema
    assert event.dataschema == "urn:cityeye:schema:camera-state:1"


def test_the_files_are_those_of_the_contract() -> None:
    assert set(generated()) <= set(SCHEMAS)
    assert len(generated()) == len(get_args(get_args(Event)[0]))
    command = "run `python -m pipelines.event_schemas`"
    for name, schema in generated().items():
        known = json.loads((FOLDER / name).read_text("utf-8"))
        assert list(breaking_changes(known, schema)) == [], f"{name}: raise the major version"
        assert (FOLDER / name).read_text("utf-8") == as_text(schema), f"{name} is old: {command}"


@pytest.mark.parametrize("name", ["", "../event.py", "incident-1", "incident-9.json", "."])
def test_nothing_else_is_given_away(name: str) -> None:
    assert schema_file(name) is None


def incident_schema() -> Any:
    return copy.deepcopy(generated()["incident-2.json"])


def test_what_only_grows_breaks_nobody() -> None:
    schema = incident_schema()
    schema["properties"]["lane"] = {"type": "string", "default": ""}
    schema["$defs"]["LaneData"] = {"type": "object"}
    schema["$defs"]["CameraData"]["description"] = "Something else."
    assert list(breaking_changes(generated()["incident-2.json"], schema)) == []


def gone(schema: Any) -> None:
    del schema["properties"]["zone"]


def retyped(schema: Any) -> None:
    schema["properties"]["revision"]["type"] = "string"


def demanded(schema: Any) -> None:
    schema["properties"]["lane"] = {"type": "string"}
    schema["required"].append("lane")


def excused(schema: Any) -> None:
    schema["required"].remove("zone")


def one_more_severity(schema: Any) -> None:
    schema["properties"]["severity"]["enum"].append("extreme")


def closed(schema: Any) -> None:
    schema["additionalProperties"] = False


def inner(schema: Any) -> None:
    del schema["$defs"]["KeyframeData"]["properties"]["sha256"]


@pytest.mark.parametrize(
    "change", [gone, retyped, demanded, excused, one_more_severity, closed, inner]
)
def test_every_other_change_is_noticed_and_not_written(
    change: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = incident_schema()
    change(schema)
    (problem, *_) = breaking_changes(generated()["incident-2.json"], schema)
    assert problem.startswith("/")
    path = tmp_path / "incident-2.json"
    path.write_text(as_text(generated()["incident-2.json"]), "utf-8")
    before = path.read_bytes()
    monkeypatch.setattr(event_schemas, "FOLDER", tmp_path)
    monkeypatch.setattr(event_schemas, "generated", lambda: {"incident-2.json": schema})
    assert event_schemas.main() == 1
    assert "Raise the major version" in capsys.readouterr().err
    assert path.read_bytes() == before
