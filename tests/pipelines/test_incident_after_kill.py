"""An incident that is open when its worker is killed with -9 goes on or ends, once, at its peak."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from camera_adapters.spec import CameraSpec
from pipelines.delivery.outbox import Outbox
from pipelines.event import IncidentData, IncidentEvent
from pipelines.left_open import resumption_s
from pipelines.plan import CameraPlan, ModelRef, TaskPlan
from pipelines.rules.rule import RulePlan
from pipelines.rules.zone import Line, Zone
from tests.pipelines.frames import SIZE
from tests.pipelines.killed_pipeline import BRIGHTNESS
from tests.pipelines.synthetic import WHOLE, moment

ROOT = Path(__file__).parents[2]
TASKS = ("traffic", "littering", "crowding")
GREW = ("0@2", "3@12", "7@15", "4@26")
"""Three objects, then seven for a moment, then four, each with the second until which it is so."""


def killed(folder: Path, task: str, start_s: int, *script: str) -> None:
    """Lets a worker see what a script says, and kills it."""
    module = "tests.pipelines.killed_pipeline"
    command = [sys.executable, "-m", module, str(folder), task, str(start_s), *script]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        process.kill()


def told(folder: Path) -> list[IncidentData]:
    """Everything that was published of incidents, in order."""
    outbox = Outbox(folder / "outbox.db")
    with outbox.file.transaction() as db:
        bodies = db.execute("SELECT body FROM event ORDER BY seq").fetchall()
    outbox.close()
    return [IncidentEvent.model_validate_json(body).data for (body,) in bodies]


def objects_in(folder: Path, incident: IncidentData, role: str) -> int:
    """How many objects the image of a keyframe shows."""
    (one,) = [one for one in incident.keyframes if one.role == role]
    data = np.frombuffer((folder / "spool" / one.name).read_bytes(), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    assert image is not None
    return round(float(image.mean()) / BRIGHTNESS)


@pytest.mark.parametrize(
    "task", ["crowding", *(pytest.param(task, marks=pytest.mark.slow) for task in TASKS[:2])]
)
def test_it_goes_on_under_its_id_and_ends_once_with_its_peak(tmp_path, task):
    killed(tmp_path, task, 0, *GREW)
    killed(tmp_path, task, 40, "4@60", "0@80")
    events = told(tmp_path)
    assert len({one.incident_id for one in events}) == 1
    assert [one.phase for one in events].count("started") == 1
    ended = events[-1]
    assert [one.phase for one in events].count("ended") == 1
    assert (ended.phase, ended.end_reason) == ("ended", "cleared")
    assert ended.opened_at == events[0].opened_at
    assert ended.detail == ended.peak.detail == {"objects": 7.0}
    assert ended.peak.at == next(k.at for k in ended.keyframes if k.role == "peak")
    assert len(ended.peak.subjects) == 7
    assert [objects_in(tmp_path, ended, role) for role in ("opening", "peak", "closing")] == [
        3,
        7,
        0,
    ]
    assert (ended.severity, ended.level) == ("high", 3)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_it_ends_as_recovered_with_its_peak_where_nothing_goes_on(tmp_path, task):
    killed(tmp_path, task, 0, *GREW)
    killed(tmp_path, task, 40, "0@120")
    *_, before, ended = told(tmp_path)
    assert before.phase == "updated"
    assert (ended.phase, ended.end_reason) == ("ended", "recovered")
    assert ended.detail == {"objects": 7.0}
    assert objects_in(tmp_path, ended, "peak") == 7
    assert ended.ended_at > moment(40 + 30).utc, "it had the time to be found again"
    killed(tmp_path, task, 130, "0@140")
    assert told(tmp_path)[-1] == ended, "and it ends once"


@pytest.mark.slow
def test_a_greater_peak_after_the_kill_replaces_the_one_before_and_a_smaller_one_does_not(tmp_path):
    killed(tmp_path, "crowding", 0, *GREW)
    killed(tmp_path, "crowding", 40, "5@70")
    assert told(tmp_path)[-1].peak.size == 7
    killed(tmp_path, "crowding", 80, "8@110", "0@130")
    ended = told(tmp_path)[-1]
    assert (ended.phase, ended.peak.size, ended.detail) == ("ended", 8, {"objects": 8.0})
    assert objects_in(tmp_path, ended, "peak") == 8
    assert len({one.incident_id for one in told(tmp_path)}) == 1


@pytest.mark.slow
def test_after_two_kills_in_a_row_it_still_waits_for_its_rule(tmp_path):
    killed(tmp_path, "traffic", 0, *GREW)
    killed(tmp_path, "traffic", 30, "4@31")
    killed(tmp_path, "traffic", 40, "4@60", "0@80")
    phases = [one.phase for one in told(tmp_path)]
    assert (phases[0], phases[-1]) == ("started", "ended")
    assert {*phases[1:-1]} == {"updated"}


@pytest.mark.slow
def test_a_thing_at_another_spot_is_another_incident(tmp_path):
    # The bags of the first worker are at the left, so the one bag at the far right is none of them.
    killed(tmp_path, "littering", 0, "0@2", "2@20")
    killed(tmp_path, "littering", 30, "2+6@60")
    names = [one.incident_id for one in told(tmp_path) if one.phase == "started"]
    assert len(names) == 2


def openings(folder: Path) -> list[float]:
    """When incidents were first told, in seconds of the script."""
    started = (one for one in told(folder) if one.phase == "started")
    return [(one.updated_at - moment(0).utc).total_seconds() for one in started]


@pytest.mark.slow
def test_what_ended_before_the_kill_goes_on_cooling_down(tmp_path):
    killed(tmp_path, "crowding", 0, "0@2", "3@20", "0@32")
    killed(tmp_path, "crowding", 35, "3@90")
    first, second = openings(tmp_path)
    assert first == pytest.approx(8, abs=1)
    assert second == pytest.approx(20 + 60, abs=1)


@pytest.mark.slow
def test_a_spot_cools_down_and_another_spot_does_not(tmp_path):
    killed(tmp_path, "littering", 0, "0@2", "2@20", "0@32")
    killed(tmp_path, "littering", 35, "2@60")
    assert len(openings(tmp_path)) == 1
    killed(tmp_path, "littering", 35, "2+6@60")
    assert len(openings(tmp_path)) == 2


def test_rules_that_only_measure_leave_nothing_open():
    zone, line = Zone("road", WHOLE), Line("gate", (0.1, 0.5), (0.9, 0.5))
    rules = (
        RulePlan("traffic.line_count", (zone,), lines=(line,)),
        RulePlan("traffic.stopped_vehicle", (zone,), {"confirm_s": 40}),
    )
    model = ModelRef("traffic", "1", SIZE, ("car",), 0.5)
    task = TaskPlan("traffic", model, 5.0, rules)
    plan = CameraPlan(CameraSpec("gate", "rtsp://gate/live"), (task,))
    assert resumption_s(plan) == {"traffic.stopped_vehicle": pytest.approx(30 + 40 + 3 / 5)}
