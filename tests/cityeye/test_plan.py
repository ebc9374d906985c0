"""From a configuration and what was rolled out before to what a city runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from cityeye.cli import main
from cityeye.config import ConfigurationError, load_config
from cityeye.plan import city_plan
from event_hub import HubRetention
from models.package import ModelPackage
from pipelines.delivery import Retention, RetentionLimit
from pipelines.delivery.sinks.http import HttpSinkSettings
from pipelines.thresholds import NamedThresholds
from serving.city_plan import Wish, shares
from serving.errors import RolloutError
from serving.rollout.rollout import Canary, FirstChoice, Rollout
from serving.rollout.rollouts import save_rollouts
from tests.models.admitted import as_if_admitted
from tests.models.tiny import as_int8


@pytest.fixture
def city(tmp_path, packages):
    """A city of two cameras, one of which names a version; its packages may be spoilt."""
    shutil.copytree(packages, tmp_path / "packages")
    document = {
        "cameras": [
            camera("free", "traffic"),
            camera("pinned", "traffic/1"),
        ],
        "models": {"path": "packages"},
        "hub": {},
        "state": "state",
    }
    path = tmp_path / "city.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def camera(name: str, model: str) -> dict[str, object]:
    tasks = {"traffic": {"model": model}}
    return {"id": name, "source": "rtsp://10.0.0.5/live", "tasks": tasks}


def planned(city: Path):
    return city_plan(load_config(city, {}), HttpSinkSettings(url="http://127.0.0.1:8600/events"))


def versions(plan) -> dict[str, str]:
    return {one.camera.id: one.tasks[0].model.version for one in plan.cameras}


def test_the_first_start_takes_the_newest_admitted_version(city):
    plan = planned(city)
    assert versions(plan) == {"free": "2", "pinned": "1"}
    assert plan.rollouts == (Rollout(model="traffic", stable="2"),)
    assert {model.ref.key for model in plan.models} == {"traffic/1", "traffic/2"}
    (city.parent / "packages" / "traffic" / "2" / "admission.json").unlink()
    assert versions(planned(city)) == {"free": "1", "pinned": "1"}


@pytest.fixture
def lowered(city):
    """The city, with an int8 version of its newest one."""
    package = ModelPackage.load(city.parent / "packages" / "traffic" / "2")
    int8 = as_if_admitted(as_int8(package))
    manifest = int8.directory / "model.yaml"
    document = yaml.safe_load(manifest.read_text("utf-8")) | {"measured": {"times_fp32": 1.9}}
    manifest.write_text(yaml.safe_dump(document), "utf-8")
    return city


def test_a_model_that_is_new_to_the_city_may_begin_in_another_precision(lowered):
    plan = planned(lowered)
    assert plan.rollouts == (Rollout(model="traffic", stable="2"),), "measured where it runs"
    assert [one.ref.version for one in plan.other_precisions["traffic"]] == ["2+int8"]
    save_rollouts(lowered.parent / "state", {"traffic": Rollout(model="traffic", stable="2")})
    assert planned(lowered).other_precisions == {}, "a city keeps what it runs"


@pytest.mark.parametrize(("wanted", "version"), [("fp32", "2"), ("int8", "2+int8")])
def test_a_precision_that_is_named_is_not_measured(lowered, wanted, version):
    with_models(lowered, precision=wanted)
    plan = planned(lowered)
    assert plan.other_precisions == {}
    assert versions(plan) == {"free": version, "pinned": "1"}


def test_a_precision_that_there_is_not_is_named_with_its_line(city):
    with_models(city, precision="int8")
    with pytest.raises(ConfigurationError) as caught:
        load_config(city, {})
    (problem,) = caught.value.problems
    assert "there is no traffic/2+int8 that was admitted" in str(problem)
    assert "Write `auto`, or `fp32`." in str(problem)


def test_check_names_a_faster_precision_until_the_city_has_measured_it(lowered, capsys):
    state = lowered.parent / "state"
    assert main(["check", str(lowered)]) == 0
    assert "2+int8" not in capsys.readouterr().out, "the first start measures it"
    save_rollouts(state, {"traffic": Rollout(model="traffic", stable="2")})
    assert main(["check", str(lowered)]) == 0
    assert "traffic/2+int8 is there, the same network 1.9 times as fast" in capsys.readouterr().out
    measured = FirstChoice(version="2", why="int8 infers 0.97 times as many")
    save_rollouts(state, {"traffic": Rollout(model="traffic", stable="2", first=measured)})
    assert main(["check", str(lowered)]) == 0
    assert "2+int8" not in capsys.readouterr().out


def with_models(city, **keys):
    document = yaml.safe_load(city.read_text("utf-8"))
    document["models"] |= keys
    city.write_text(yaml.safe_dump(document), encoding="utf-8")


def test_what_was_rolled_out_is_what_runs(city):
    canary = Canary(version="2", asked="free", cameras=("free",))
    table = Rollout(model="traffic", stable="1", canary=canary, thresholds={"2": 0.6})
    save_rollouts(city.parent / "state", {"traffic": table})
    plan = planned(city)
    assert versions(plan) == {"free": "1", "pinned": "1"}, "the canary joins when it runs"
    routing = plan.routing(plan.absent)
    routes = {one.camera.id: routing.routes(one)["traffic"].model for one in plan.cameras}
    assert (routes["free"].version, routes["free"].threshold) == ("2", 0.6)
    assert routes["pinned"].version == "1"


def test_thresholds_of_a_task_come_after_those_of_the_table_and_of_the_package(city):
    document = yaml.safe_load(city.read_text("utf-8"))
    wanted = {"classes": {"Person": 0.2}}
    for one in document["cameras"]:
        one["tasks"]["traffic"]["thresholds"] = wanted
    city.write_text(yaml.safe_dump(document), encoding="utf-8")
    thresholds = {"1": {"default": 0.6, "classes": {"person": 0.5, "car": 0.7}}}
    table = Rollout.model_validate({"model": "traffic", "stable": "1", "thresholds": thresholds})
    save_rollouts(city.parent / "state", {"traffic": table})
    plan = planned(city)
    before = {one.camera.id: one.tasks[0].model.named_thresholds for one in plan.cameras}
    assert before == dict.fromkeys(("free", "pinned"), NamedThresholds(0.3, {"person": 0.2}))
    routing = plan.routing(plan.absent)
    routes = {one.camera.id: routing.routes(one)["traffic"].model for one in plan.cameras}
    assert routes["free"].named_thresholds == NamedThresholds(0.6, {"car": 0.7, "person": 0.2})
    assert routes["pinned"].named_thresholds == before["pinned"], "no table changes it"


def test_a_canary_that_has_become_unusable_is_named_and_left_out(city):
    canary = Canary(version="2", asked="free", cameras=("free",))
    save_rollouts(
        city.parent / "state", {"traffic": Rollout(model="traffic", stable="1", canary=canary)}
    )
    with (city.parent / "packages" / "traffic" / "2" / "model.onnx").open("ab") as file:
        file.write(b"\0")
    plan = planned(city)
    assert "sha256" in plan.absent["traffic/2"]
    routing = plan.routing(plan.absent)
    assert all(routing.routes(one)["traffic"].model.version == "1" for one in plan.cameras)


def test_a_stable_version_that_is_gone_is_named_with_the_file_that_wants_it(city):
    save_rollouts(city.parent / "state", {"traffic": Rollout(model="traffic", stable="9")})
    with pytest.raises(RolloutError, match=r"traffic/9.*rollouts\.json names 9 as stable"):
        planned(city)


def test_the_kind_of_detector_is_a_choice_of_the_configuration(city):
    assert planned(city).wish == Wish("auto", "auto", "auto")
    text = city.read_text("utf-8")
    wanted = "models:\n  detector: in_process\n  threads: 3\n  replicas: 2"
    city.write_text(text.replace("models:", wanted, 1), "utf-8")
    assert planned(city).wish == Wish("in_process", 3, 2)


def test_the_memory_of_a_worker_is_given_in_mebibytes(city):
    text = city.read_text("utf-8")
    city.write_text(f"{text}workers: {{memory_mib: 2048}}\n", "utf-8")
    assert planned(city).wish.worker_memory_bytes == 2 * 1024**3


def test_what_a_limit_leaves_out_is_as_it_is_without_it(city):
    text = city.read_text("utf-8")
    limits = "{keyframes: {days: null}, hub: {gigabytes: 2}}"
    city.write_text(f"{text}retention: {limits}\n", "utf-8")
    config = load_config(city, {})
    assert city_plan(config, None).delivery.retention == Retention(
        keyframes=RetentionLimit(None, 100.0)
    )
    kept = config.settings.retention.hub.hub_retention
    assert kept == HubRetention(days=90, gigabytes=2)


@pytest.mark.parametrize(
    ("section", "named"),
    [
        ({}, "city"),
        ({"name": "Xinjin"}, "Xinjin"),
        ({"division": "510118"}, "510118"),
        ({"name": "新津", "division": "510118"}, "510118-新津"),
    ],
)
def test_every_worker_knows_which_city_its_events_are_of(city, section, named):
    document = yaml.safe_load(city.read_text(encoding="utf-8")) | {"city": section}
    city.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    plan = planned(city)
    assert plan.city == named
    assert {share.city for share in shares(plan)} == {named}


def test_a_task_has_the_priority_of_its_camera_or_its_own(city):
    document = yaml.safe_load(city.read_text("utf-8"))
    assert priorities(city) == ["normal", "normal"]
    document["cameras"][0]["priority"] = "low"
    city.write_text(yaml.safe_dump(document), "utf-8")
    assert priorities(city) == ["low", "normal"]
    document["cameras"][0]["tasks"]["traffic"]["priority"] = "high"
    city.write_text(yaml.safe_dump(document), "utf-8")
    assert priorities(city) == ["high", "normal"]


def priorities(city: Path) -> list[str]:
    return [task.priority for plan in planned(city).cameras for task in plan.tasks]
