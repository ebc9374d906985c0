"""A good file becomes plans; the example file is good."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from camera_adapters.geometry import Size
from camera_adapters.login_memory import LoginKey
from camera_adapters.packet_ring import ClipWindow
from camera_adapters.spec import Place
from cityeye.config import ConfigurationError, catalogue, load_config
from pipelines.delivery.stores.folder import FolderSettings
from pipelines.rules import RULE_SETS, RULES, build_rule
from pipelines.rules.sets import newest_set
from pipelines.signals import Signal

EXAMPLE = Path(__file__).parents[2] / "examples" / "city.yaml"

SMALL = """
cameras:
  - id: gate
    source: rtsp://10.0.0.5/live
    tasks:
      traffic: {model: traffic}
hub: {}
"""


@pytest.fixture
def load(tmp_path, packages):
    def load_text(text: str, environment=None):
        file = tmp_path / "city.yaml"
        file.write_text(f"{text}\nmodels: {{path: {packages}}}\n", encoding="utf-8")
        return load_config(file, environment or {})

    return load_text


@pytest.fixture
def example(tmp_path, packages):
    """The example file, with the tests' packages."""
    text = EXAMPLE.read_text(encoding="utf-8")
    file = tmp_path / "example.yaml"
    file.write_text(text.replace("# path: ../models/builtin", f"path: {packages}"), "utf-8")
    return load_config(file, {})


def test_the_example_file_is_good_and_makes_plans(example):
    config = example
    assert [plan.camera.id for plan in config.plans] == ["crossroad-1", "square-east"]
    assert not config.warnings
    crossroad, square = config.plans
    (traffic,) = crossroad.tasks
    assert traffic.model.size == Size(96, 64)
    assert traffic.rules[0].parameters["confirm_s"] == 120
    assert traffic.rules[0].zones[0].ground is not None
    assert {task.task for task in square.tasks} == {"crowding", "littering"}
    for plan in config.plans:
        for task in plan.tasks:
            for rule in task.rules:
                build_rule(rule, plan.camera.id, "e1")


def test_signals_are_asked_for_by_cameras_that_name_them(example, load):
    assert [plan.signals for plan in example.plans] == [{Signal.VIEW}, set()]
    assert load(SMALL).plans[0].signals == set()


def test_the_example_file_is_good_as_it_ships():
    config = load_config(EXAMPLE, {})
    assert {task.model.name for plan in config.plans for task in plan.tasks} == {
        "traffic",
        "crowding",
        "littering",
    }


def test_what_is_left_out_has_the_value_that_the_example_shows(load, example):
    left_out, shown = load(SMALL).settings, example.settings
    assert left_out.workers == shown.workers
    assert left_out.api == shown.api
    assert left_out.models == shown.models
    assert left_out.hub == shown.hub
    assert left_out.keyframes == shown.keyframes
    assert left_out.state == shown.state
    assert left_out.cameras[0].transport == shown.cameras[0].transport
    crossroad = example.plans[0].tasks[0]
    assert load(SMALL).plans[0].tasks[0].rules[0].parameters == crossroad.rules[0].parameters
    assert load(SMALL).plans[0].tasks[0].fps == crossroad.fps


def test_relative_paths_start_from_the_file(load, tmp_path):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "gate one.mp4").write_bytes(b"video")
    config = load(SMALL.replace("rtsp://10.0.0.5/live", '"clips/gate one.mp4?realtime=1"'))
    assert config.settings.state == tmp_path / "var"
    assert config.settings.keyframes.folder == FolderSettings(tmp_path / "var" / "keyframes")
    hub = config.settings.hub
    assert hub is not None
    assert hub.database.get_secret_value() == f"sqlite:///{tmp_path}/var/hub.db"
    clip = (tmp_path / "clips" / "gate one.mp4").as_uri()
    assert config.plans[0].camera.source == f"{clip}?realtime=1"


def test_a_task_without_zones_and_rules_gets_the_whole_image_and_the_default_set(load):
    config = load(SMALL)
    (plan,) = config.plans
    (task,) = plan.tasks
    newest = RULE_SETS[newest_set("traffic")]
    assert [(rule.kind, rule.version) for rule in task.rules] == [
        (rule.kind, rule.version) for rule in newest
    ]
    assert [one.name for one in config.rules.sets] == [newest_set("traffic")]
    (zone,) = task.rules[0].zones
    assert set(zone.polygon) == {(0, 0), (1, 0), (1, 1), (0, 1)}
    assert task.rules[0].parameters == RULES["traffic.congestion"].Parameters().model_dump()
    assert plan.camera.rates == {"traffic": 5.0}


def test_a_rule_that_is_new_in_the_program_is_not_switched_on(load, monkeypatch):
    before = load(SMALL).plans
    new = replace(RULES["traffic.congestion"], kind="traffic.new")
    monkeypatch.setattr(catalogue, "RULES", {**RULES, new.kind: new})
    assert load(SMALL).plans == before
    named = load(SMALL.replace("model: traffic", "model: traffic, rules: {traffic.new: {}}"))
    assert [rule.kind for rule in named.plans[0].tasks[0].rules] == ["traffic.new"]
    assert named.rules.sets == ()


def test_a_rule_set_is_named_and_rules_beside_it_change_or_add(load, monkeypatch):
    new = replace(RULES["traffic.congestion"], kind="traffic.new")
    monkeypatch.setattr(catalogue, "RULES", {**RULES, new.kind: new})
    wanted = "rule_set: traffic/1, rules: {traffic.congestion: {confirm_s: 3}, traffic.new: null}"
    config = load(SMALL.replace("model: traffic", f"model: traffic, {wanted}"))
    congestion, added = config.plans[0].tasks[0].rules
    assert (congestion.kind, congestion.parameters["confirm_s"]) == ("traffic.congestion", 3)
    assert (added.kind, added.parameters["confirm_s"]) == ("traffic.new", 120)
    assert [one.name for one in config.rules.sets] == ["traffic/1"]


def test_zones_have_directions_and_tasks_have_lines(example):
    (rule,) = example.plans[0].tasks[0].rules
    (zone,) = rule.zones
    (line,) = rule.lines
    assert zone.direction == ((0.5, 0.55), (0.5, 0.9))
    assert (line.name, line.start, line.end) == ("stop-line", (0.1, 0.9), (0.9, 0.9))
    assert line.ground == zone.ground


@pytest.mark.parametrize(
    ("wanted", "version"), [("traffic", "2"), ("traffic/1", "1"), ("traffic/2", "2")]
)
def test_a_model_is_the_newest_version_unless_one_is_named(load, wanted, version):
    (plan,) = load(SMALL.replace("model: traffic", f"model: {wanted}")).plans
    assert plan.tasks[0].model.version == version


def test_a_camera_inherits_the_citys_division(load):
    city = 'city: {division: "510118"}\n'
    (plan,) = load(city + SMALL).plans
    assert plan.camera.place == Place(division="510118")
    own = SMALL.replace("id: gate", 'id: gate\n    place: {division: "510107"}')
    (plan,) = load(city + own).plans
    assert plan.camera.place.division == "510107"


def test_variables_come_from_the_environment(load):
    text = SMALL.replace(
        "    tasks:", "    username: viewer\n    password: ${GATE:-open} ${AT}\n    tasks:"
    )
    (plan,) = load(text, {"AT": "night"}).plans
    assert plan.camera.credentials is not None
    assert plan.camera.credentials.password == "open night"
    (plan,) = load(text, {"AT": "night", "GATE": "shut"}).plans
    assert plan.camera.credentials is not None
    assert plan.camera.credentials.password == "shut night"


@pytest.mark.parametrize(
    ("address", "username", "password"),
    [
        ("rtsp://viewer:secret@10.0.0.5/live", "viewer", "secret"),
        ("rtsp://viewer:p%40ss%3A@10.0.0.5/live", "viewer", "p@ss:"),
        ("rtsp://viewer:p@ss:word@10.0.0.5/live", "viewer", "p@ss:word"),
        ("rtsp://viewer@10.0.0.5/live", "viewer", ""),
    ],
)
def test_a_login_in_the_address_is_moved_out_with_a_warning(load, address, username, password):
    config = load(SMALL.replace("rtsp://10.0.0.5/live", address))
    camera = config.plans[0].camera
    assert camera.source == "rtsp://10.0.0.5/live"
    assert camera.credentials is not None
    assert (camera.credentials.username, camera.credentials.password) == (username, password)
    (warning,) = config.warnings
    assert (warning.key, warning.line) == ("cameras[0].source", 4)
    assert "secret" not in repr(config)
    assert "p@ss" not in repr(config)


def test_an_at_sign_in_the_path_is_no_login(load):
    config = load(SMALL.replace("/live", ":554/live@main"))
    assert config.plans[0].camera.source == "rtsp://10.0.0.5:554/live@main"
    assert not config.warnings


def test_cameras_get_the_network_that_is_named_and_a_memory_for_their_logins(load, tmp_path):
    text = SMALL + "camera_network: {allow: [10.0.0.0/8, 'fd00::/8'], ports: [554]}\nstate: here\n"
    camera = load(text).plans[0].camera
    assert [str(one) for one in camera.network.allow] == ["10.0.0.0/8", "fd00::/8"]
    assert camera.network.ports == (554,)
    camera.logins.note_digest(LoginKey("rtsp://10.0.0.5:554", "viewer", "x"))
    assert list((tmp_path / "here" / "logins").iterdir())


def test_a_password_in_the_path_is_warned_about(load):
    config = load(SMALL.replace("/live", "/user=admin&password=hunter2"))
    (warning,) = config.warnings
    assert "hunter2" not in str(warning)


def test_anchors_and_merges_spare_repetition(load):
    text = """
x: &x {traffic: {model: traffic, fps: 3}}
cameras:
  - &gate
    id: gate
    source: rtsp://10.0.0.5/live
    tasks: {traffic: {model: traffic, fps: 3}}
  - <<: *gate
    id: yard
hub: {}
"""
    with pytest.raises(ConfigurationError) as caught:
        load(text)
    assert [problem.key for problem in caught.value.problems] == ["x"]
    config = load(text.replace("x: &x {traffic: {model: traffic, fps: 3}}", ""))
    assert [plan.camera.id for plan in config.plans] == ["gate", "yard"]
    assert config.plans[1].tasks[0].fps == 3


def test_secrets_never_print(load):
    text = SMALL.replace("    tasks:", "    username: viewer\n    password: hunter2\n    tasks:")
    text += "keyframes: {s3: {endpoint: 'http://s3', bucket: frames, access_key: AKIA, "
    text += "secret_key: hunter3}}\n"
    text += "sinks: [{url: 'http://hub/events', secret: 'whsec_" + "aHVu" * 10 + "'}]\n"
    config = load(text)
    assert "hunter" not in repr(config)
    assert "aHVu" not in repr(config)
    assert config.settings.keyframes.s3 is not None
    assert config.settings.keyframes.s3.secret_key.get_secret_value() == "hunter3"


def test_a_clip_reaches_back_as_far_as_an_incident_is_confirmed(load):
    assert load(SMALL).plans[0].camera.clip is None
    clip = "{before_s: 4, megabytes: 8}"
    rules = "{traffic.congestion: {confirm_s: 45}, traffic.wrong_way: {confirm_s: 2}}"
    task = f"traffic: {{model: traffic, zones: [z], rules: {rules}}}"
    zone = "zones: {z: [[0, 0], [1, 0], [1, 1]]}\n    directions: {z: [[0, 0], [0, 1]]}"
    text = SMALL.replace("traffic: {model: traffic}", task).replace(
        "    tasks:", f"    evidence_clip: {clip}\n    {zone}\n    tasks:"
    )
    window = load(text).plans[0].camera.clip
    assert window == ClipWindow(before_s=4, after_s=10, max_bytes=8_000_000, lookback_s=45)


def test_masking_is_on_and_whoever_switches_it_off_is_warned(load):
    config = load(SMALL)
    assert (config.plans[0].masking, config.warnings) == (True, ())
    config = load(f"{SMALL}keyframes: {{masking: off}}\n")
    assert not config.plans[0].masking
    assert config.settings.keyframes.folder == load(SMALL).settings.keyframes.folder
    assert "heads and plates can be recognised in the keyframes," in str(config.warnings[0])
    config = load(SMALL.replace("    tasks:", "    masking: off\n    tasks:"))
    assert not config.plans[0].masking
    assert "keyframes of camera gate" in str(config.warnings[0])
    text = SMALL.replace("    tasks:", "    masking: on\n    tasks:")
    assert load(f"{text}keyframes: {{masking: off}}\n").plans[0].masking


def test_what_is_restricted_is_kept_for_a_week(load):
    limit = load(SMALL).settings.retention.retention.restricted
    assert (limit.days, limit.gigabytes) == (7.0, 100.0)
    text = f"{SMALL}retention: {{restricted: {{days: 2}}}}\n"
    limit = load(text).settings.retention.retention.restricted
    assert (limit.days, limit.gigabytes) == (2.0, 100.0)
