"""Carrying rollouts out, without Ray: the order of steps, and what a failing step leaves behind."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from models.package import ModelPackage
from pipelines.plan import Routes
from pipelines.thresholds import NamedThresholds
from serving.errors import RolloutBusy, RolloutError, ServingError
from serving.model_source import FolderModels
from serving.rollout.ledger import LEDGER_FILE, ChangedBy
from serving.rollout.rollout import Rollout, RolloutChange
from serving.rollout.rollouts import Rollouts, load_rollouts, save_rollouts
from serving.rollout.routing_table import RoutingTable
from serving.served_models import RepositoryVersions, ServedModel
from tests.serving.cities import camera_plan
from tests.serving.packages import brightness_package

CANARY = RolloutChange(canary="2", cameras="gate")


class Recorder:
    """What launches, and a worker, in one; keeps the order of what it is asked for."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.steps: list[str] = []
        self.broken = ""
        self.routes: Mapping[str, Routes] = {}
        self.hold = threading.Event()
        self.hold.set()

    def launch(self, model: ServedModel) -> None:
        self.hold.wait(10)
        if model.ref.version == self.broken:
            raise ServingError(f"model {model.ref.key} cannot be served: broken on purpose")
        self.steps.append(f"launch {model.ref.version}")

    def remove(self, model: ServedModel) -> None:
        self.steps.append(f"remove {model.ref.version}")

    def reroute(self, routes: Mapping[str, Routes]) -> None:
        saved = load_rollouts(self.state)["brightness"]
        self.steps.append(f"reroute, saved {'/'.join(saved.versions)}")
        self.routes = routes

    def versions(self) -> dict[str, str]:
        return {camera: one["crowding"].model.version for camera, one in self.routes.items()}


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path / "state")


@pytest.fixture
def start(tmp_path: Path, recorder: Recorder) -> Callable[[float], Rollouts]:
    """Makes rollouts that keep a version loaded for some seconds."""
    packages: dict[str, ModelPackage] = {
        version: brightness_package(tmp_path / "packages", version=version)
        for version in ("1", "2", "3")
    }
    plans = [camera_plan(name, "file:///none.mp4", packages["1"]) for name in ("gate", "yard")]
    versions = RepositoryVersions(FolderModels(path=tmp_path / "packages"))
    routing = RoutingTable(
        {"brightness": Rollout(model="brightness", stable="1")},
        {"brightness/1": versions.find("brightness", "1")},
    )
    do = (versions.find, recorder.launch, recorder.remove, recorder.reroute)
    return lambda keep_warm_s: Rollouts(plans, routing, *do, tmp_path / "state", keep_warm_s)


@pytest.fixture
def rollouts(start: Callable[[float], Rollouts]) -> Rollouts:
    return start(0.0)


def retire(rollouts: Rollouts, *serving: str) -> None:
    rollouts.retire(frozenset(serving), time.monotonic() + 1)


def test_a_version_runs_before_the_table_says_so_and_the_table_before_cameras_do(
    rollouts: Rollouts, recorder: Recorder
) -> None:
    rollouts.change("brightness", CANARY)
    assert recorder.steps == ["launch 2", "reroute, saved 1/2"]
    assert recorder.versions() == {"gate": "2", "yard": "1"}


def test_an_old_version_goes_only_when_the_last_camera_has_left(
    rollouts: Rollouts, recorder: Recorder
) -> None:
    rollouts.change("brightness", CANARY)
    state = rollouts.promote("brightness")
    assert state.leaving == ("1",)
    recorder.steps.clear()
    retire(rollouts, "brightness/1", "brightness/2")
    assert recorder.steps == [], "a frame is still with it"
    rollouts.retire(frozenset({"brightness/2"}), 0.0)
    assert recorder.steps == [], "what was said before the change does not count"
    retire(rollouts, "brightness/2")
    assert recorder.steps == ["remove 1"]
    assert rollouts.states()[0].leaving == ()
    rollouts.rollback("brightness")
    assert recorder.steps[1] == "launch 1", "it is started anew when it is needed again"


def test_a_version_that_has_left_runs_on_for_a_rollback(
    start: Callable[[float], Rollouts], recorder: Recorder
) -> None:
    rollouts = start(300.0)
    rollouts.change("brightness", CANARY)
    rollouts.promote("brightness")
    retire(rollouts, "brightness/2")
    (state,) = rollouts.states()
    assert state.warm is not None
    assert (state.warm.version, state.leaving) == ("1", ())
    recorder.steps.clear()
    state = rollouts.rollback("brightness")
    assert recorder.steps == ["reroute, saved 1"], "nothing had to start or to end"
    assert state.warm is not None
    assert state.warm.version == "2"
    retire(rollouts, "brightness/1")
    assert recorder.steps == ["reroute, saved 1"]
    assert set(rollouts.routing.served) == {"brightness/1", "brightness/2"}


def test_a_version_that_runs_on_ends_when_its_time_is_over(
    start: Callable[[float], Rollouts], recorder: Recorder
) -> None:
    rollouts = start(0.3)
    rollouts.change("brightness", CANARY)
    rollouts.change("brightness", RolloutChange(canary="none"))
    recorder.steps.clear()
    retire(rollouts, "brightness/1")
    assert recorder.steps == []
    time.sleep(0.35)
    assert rollouts.states()[0].warm is None
    retire(rollouts, "brightness/1")
    assert recorder.steps == ["remove 2"]


def test_a_version_that_runs_on_makes_room_for_another_one(
    start: Callable[[float], Rollouts], recorder: Recorder
) -> None:
    rollouts = start(300.0)
    rollouts.rollback("brightness", "2")
    rollouts.change("brightness", RolloutChange(shadow="1"))
    rollouts.change("brightness", RolloutChange(shadow="none"))
    recorder.steps.clear()
    rollouts.change("brightness", RolloutChange(thresholds={"2": {"default": 0.4}}))
    assert recorder.steps == ["reroute, saved 2"], "no version starts, so none has to go"
    retire(rollouts, "brightness/2")
    recorder.steps.clear()
    rollouts.change("brightness", RolloutChange(shadow="3"))
    assert recorder.steps == ["remove 1", "launch 3", "reroute, saved 2/3"]
    assert rollouts.states()[0].warm is None


def test_who_changed_versions_when_and_why_is_kept(rollouts: Rollouts, tmp_path: Path) -> None:
    rollouts.change("brightness", CANARY, ChangedBy("Wang", "new weights"))
    rollouts.promote("brightness", ChangedBy("Li", "good for a day"))
    rollouts.rollback("brightness", "3", ChangedBy("Wang", "misses bicycles"))
    rollouts.rollback("brightness")
    with pytest.raises(RolloutError):
        rollouts.rollback("brightness", "9", ChangedBy("Wang", "it is not there"))
    found = rollouts.ledger("brightness", 10)
    assert [(one.deed, one.who, one.why, one.before, one.stable, one.canary) for one in found] == [
        ("rollback", "", "", "3", "2", ""),
        ("rollback", "Wang", "misses bicycles", "2", "3", ""),
        ("promote", "Li", "good for a day", "1", "2", ""),
        ("change", "Wang", "new weights", "1", "1", "2"),
    ]
    assert rollouts.ledger("brightness", 1) == found[:1]
    assert rollouts.ledger("pond", 10) == []
    file = tmp_path / "state" / LEDGER_FILE
    assert file.stat().st_mode & 0o077 == 0
    # A line that a power loss has torn costs no other.
    file.write_bytes(file.read_bytes()[:-9] + b"\n")
    assert rollouts.ledger("brightness", 10) == found[1:]


@pytest.mark.parametrize("change", [CANARY, RolloutChange(shadow="2")])
def test_a_version_that_does_not_start_changes_nothing(
    rollouts: Rollouts, recorder: Recorder, change: RolloutChange
) -> None:
    recorder.broken = "2"
    before = rollouts.states()
    with pytest.raises(RolloutError, match="broken on purpose; the versions in service stay"):
        rollouts.change("brightness", change)
    assert rollouts.states() == before
    assert recorder.steps == []


def test_of_two_new_versions_the_good_one_is_ended_if_the_other_fails(
    rollouts: Rollouts, recorder: Recorder
) -> None:
    recorder.broken = "3"
    with pytest.raises(RolloutError):
        rollouts.change("brightness", RolloutChange(canary="2", cameras="gate", shadow="3"))
    assert recorder.steps == ["launch 2", "remove 2"]


def test_a_disk_that_refuses_the_table_changes_nothing(
    rollouts: Rollouts, recorder: Recorder
) -> None:
    shutil.rmtree(recorder.state)
    recorder.state.write_text("a file where the folder should be")
    with pytest.raises(RolloutError, match=r"rollouts\.json cannot be"):
        rollouts.change("brightness", CANARY)
    assert recorder.steps == ["launch 2", "remove 2"]
    assert rollouts.states()[0].rollout.canary is None


def test_a_second_change_has_to_wait(rollouts: Rollouts, recorder: Recorder) -> None:
    recorder.hold.clear()
    first = threading.Thread(target=rollouts.change, args=("brightness", CANARY))
    first.start()
    deadline_s = time.monotonic() + 10
    while not rollouts.states()[0].under_way:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    with pytest.raises(RolloutBusy, match="starting brightness/2"):
        rollouts.change("brightness", RolloutChange(shadow="3"))
    recorder.hold.set()
    first.join(10)
    assert rollouts.states()[0].rollout.canary is not None
    assert rollouts.states()[0].under_way == ""


def test_an_unknown_model_is_named_with_those_that_there_are(rollouts: Rollouts) -> None:
    with pytest.raises(RolloutError, match=r"model street.*in use: brightness"):
        rollouts.promote("street")


def test_thresholds_need_no_launch(rollouts: Rollouts, recorder: Recorder) -> None:
    rollouts.change("brightness", RolloutChange(thresholds={"1": 0.7}))
    assert recorder.steps == ["reroute, saved 1"]
    assert {one["crowding"].model.threshold for one in recorder.routes.values()} == {0.7}
    rollouts.change("brightness", RolloutChange(thresholds={"1": None}))
    assert {one["crowding"].model.threshold for one in recorder.routes.values()} == {0.05}


def test_a_threshold_of_a_class_that_the_version_does_not_have_is_refused(
    rollouts: Rollouts, recorder: Recorder
) -> None:
    for version in ("1", "2"):
        change = RolloutChange(thresholds={version: {"classes": {"Person": 0.3, "truk": 0.7}}})
        with pytest.raises(RolloutError, match=rf"brightness/{version} has no class truk.*person"):
            rollouts.change("brightness", change)
    assert recorder.steps == []
    rollouts.change("brightness", RolloutChange(thresholds={"1": {"classes": {"Person": 0.3}}}))
    (model,) = {one["crowding"].model for one in recorder.routes.values()}
    assert (model.threshold, model.class_thresholds) == (0.05, {"person": 0.3})


def test_a_task_keeps_its_thresholds_whatever_version_it_has(
    rollouts: Rollouts, recorder: Recorder, tmp_path: Path
) -> None:
    package = brightness_package(tmp_path / "others", version="1")
    yard = camera_plan("yard", "file:///none.mp4", package)
    (task,) = yard.tasks
    wanted = NamedThresholds(classes={"person": 0.7, "tram": 0.2})
    rollouts.replan([replace(yard, tasks=(replace(task, thresholds=wanted),))])
    change = RolloutChange(canary="2", cameras="yard", shadow="3", thresholds={"2": 0.4})
    rollouts.change("brightness", change)
    route = recorder.routes["yard"]["crowding"]
    assert route.shadow is not None
    assert [model.version for model in route.models] == ["2", "3"]
    assert route.model.named_thresholds == NamedThresholds(0.4, {"person": 0.7})
    assert route.shadow.named_thresholds == NamedThresholds(0.05, {"person": 0.7})


def test_the_stable_version_is_remembered_from_the_first_start_on(
    rollouts: Rollouts, recorder: Recorder
) -> None:
    assert rollouts.states()[0].rollout.stable == "1"
    assert load_rollouts(recorder.state)["brightness"].stable == "1"


def test_tables_of_models_that_no_camera_uses_are_kept(
    rollouts: Rollouts, recorder: Recorder
) -> None:
    save_rollouts(recorder.state, {"other": Rollout(model="other", stable="7")})
    rollouts.change("brightness", CANARY)
    assert load_rollouts(recorder.state)["other"].stable == "7"


def test_a_version_that_is_not_made_for_the_cameras_task_is_refused(
    rollouts: Rollouts, recorder: Recorder, tmp_path: Path
) -> None:
    manifest = tmp_path / "packages" / "brightness" / "2" / "model.yaml"
    manifest.write_text(manifest.read_text("utf-8").replace("- crowding", "- traffic"), "utf-8")
    with pytest.raises(RolloutError, match=r"brightness/2 is made for traffic.*crowding"):
        rollouts.change("brightness", CANARY)
    assert recorder.steps == []


def test_cameras_come_and_go_while_tables_and_versions_stay(
    rollouts: Rollouts, recorder: Recorder, tmp_path: Path
) -> None:
    package = brightness_package(tmp_path / "others", version="1")
    gate, yard, park = (camera_plan(n, "file:///none.mp4", package) for n in ("gate", "y", "park"))
    rollouts.change("brightness", CANARY)
    rollouts.replan([gate, yard, park])
    assert rollouts.states()[0].cameras == ("gate", "y", "park")
    rollouts.promote("brightness")
    assert recorder.versions() == {"gate": "2", "y": "2", "park": "2"}


def test_a_camera_whose_model_does_not_run_is_refused_and_nothing_changes(
    rollouts: Rollouts, tmp_path: Path
) -> None:
    other = camera_plan("park", "file:///none.mp4", brightness_package(tmp_path / "o", "other"))
    with pytest.raises(RolloutError, match=r"camera park: the model other does not run"):
        rollouts.replan([other])
    ninth = brightness_package(tmp_path / "p", version="9")
    plan = camera_plan("park", "file:///none.mp4", ninth)
    pinned = replace(plan, tasks=(replace(plan.tasks[0], pinned=True),))
    with pytest.raises(RolloutError, match=r"the model brightness/9 does not run"):
        rollouts.replan([pinned])
    assert rollouts.states()[0].cameras == ("gate", "yard")
