"""`cityeye apply` over a real socket, with a city that only notes what it is given."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import cityeye.cli
from cityeye.city_requests import CityRequests
from cityeye.cli import main
from cityeye.config import Config, load_config
from cityeye.config_editor import ConfigEditor
from cityeye.control_socket import control_socket
from cityeye.plan import city_plan
from cityeye.reconfiguration import Reconfiguration
from pipelines import CameraPlan
from pipelines.delivery.sinks.http import HttpSinkSettings
from serving import SOCKET_NAME, DirectorError

CITY = """\
cameras:
  - id: gate
    source: rtsp://10.0.0.5/live
    username: viewer
    password: ${GATE_PASSWORD}
    tasks: {traffic: {model: traffic}}
hub: {}
"""


@dataclass
class City:
    """Stands for a running city.

    Attributes:
        file: Its configuration.
        given: The cameras of every change.
        faults: What it answers next.
    """

    file: Path
    given: list[tuple[CameraPlan, ...]] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)
    error: Exception | None = None
    full: str = ""

    def refuses(self, cameras: Sequence[CameraPlan]) -> str:
        return self.full and f"{self.full} of {len(cameras)}"

    def take(self, cameras: Sequence[CameraPlan]) -> dict[str, str]:
        if self.error is not None:
            raise self.error
        self.given.append(tuple(cameras))
        return self.faults

    def write(self, text: str) -> None:
        packages = self.file.with_name("packages.txt").read_text("utf-8")
        self.file.write_text(f"{text}models: {{path: {packages}}}\n", "utf-8")


@pytest.fixture(autouse=True)
def quiet_logs(monkeypatch):
    monkeypatch.setattr(cityeye.cli, "set_up_logs", lambda *_: None)


@contextlib.contextmanager
def running(folder: Path, packages: Path) -> Iterator[City]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "packages.txt").write_text(str(packages), "utf-8")
    city = City(folder / "city.yaml")
    city.write(CITY)
    config = load_config(city.file, {"GATE_PASSWORD": "hunter2"})

    def make_plan(new: Config):
        return city_plan(new, HttpSinkSettings(url="http://127.0.0.1:1/events"))

    change = Reconfiguration(config, make_plan, city.take, refuses=city.refuses)
    requests = CityRequests(ConfigEditor(change))
    with control_socket(config.settings.state, config.path, change.apply, requests.answer):
        yield city


@pytest.fixture
def city(tmp_path, packages):
    with running(tmp_path, packages) as one:
        yield one


def apply(capsys, *arguments: object) -> tuple[int, str]:
    status = main(["apply", *map(str, arguments)])
    out, err = capsys.readouterr()
    assert "hunter" not in out + err
    return status, out + err


def test_a_change_reaches_the_city_once(city, capsys):
    city.write(CITY.replace("10.0.0.5", "10.0.0.6"))
    assert apply(capsys, city.file) == (0, "camera gate: changed (address)\n")
    ((plan,),) = city.given
    assert plan.camera.source == "rtsp://10.0.0.6/live"
    assert plan.camera.credentials is not None
    assert plan.camera.credentials.password == "hunter2", "the city's own environment counts"
    assert apply(capsys, city.file) == (0, f"{city.file}: nothing has changed\n")
    assert len(city.given) == 1


def test_a_dry_run_changes_nothing(city, capsys):
    city.write(CITY.replace("10.0.0.5", "10.0.0.6"))
    expected = f"{city.file}:2: camera gate: changed (address)\n"
    for _ in range(2):
        assert apply(capsys, city.file, "--dry-run") == (0, expected)
    assert not city.given


def test_what_needs_a_restart_refuses_the_whole(city, capsys):
    city.write(CITY.replace("10.0.0.5", "10.0.0.6").replace("hub: {}", "hub: {port: 8700}"))
    status, said = apply(capsys, city.file)
    assert status == 1
    assert said.startswith(f"{city.file}:7: hub.port: the change takes effect only when")
    assert not city.given


def test_a_file_with_mistakes_is_refused_with_all_of_them(city, capsys):
    city.write(CITY.replace("id: gate", "id: gate!").replace("traffic}", "trafic}"))
    status, said = apply(capsys, city.file)
    assert status == 1
    assert said.count(f"{city.file}:") == 2
    assert not city.given


def test_a_variable_that_the_city_was_not_started_with_is_a_mistake(city, capsys, monkeypatch):
    monkeypatch.setenv("OTHER", "hunter3")
    city.write(CITY.replace("GATE_PASSWORD", "OTHER"))
    status, said = apply(capsys, city.file)
    assert (status, "OTHER is not set" in said) == (1, True)


def test_what_could_not_be_done_is_said_and_tried_again(city, capsys):
    city.faults = {"gate": "camera gate: a slot hangs"}
    city.write(CITY.replace("10.0.0.5", "10.0.0.6"))
    assert apply(capsys, city.file) == (1, "camera gate: a slot hangs\n")
    city.faults = {}
    assert apply(capsys, city.file) == (0, "camera gate: changed (address)\n")
    assert len(city.given) == 2


def test_a_director_that_does_not_answer_changes_nothing(city, capsys):
    city.error = DirectorError("the director does not answer")
    city.write(CITY.replace("10.0.0.5", "10.0.0.6"))
    assert apply(capsys, city.file) == (1, "the director does not answer\n")
    city.error = None
    assert apply(capsys, city.file)[0] == 0


def test_a_city_reads_no_other_file_than_its_own(city, capsys, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text(city.file.read_text("utf-8").replace("10.0.0.5", "10.0.0.6"), "utf-8")
    status, said = apply(capsys, other)
    assert (status, said) == (1, f"this city runs {city.file}; name that file\n")
    assert not city.given


def test_without_a_city_it_says_how_to_start_one(tmp_path, packages, capsys):
    with running(tmp_path, packages) as city:
        pass
    status, said = apply(capsys, city.file)
    assert status == 1
    assert f"`cityeye run {city.file}`" in said
    assert not (tmp_path / "var" / SOCKET_NAME).exists()
    assert "cannot be read" in apply(capsys, tmp_path / "gone.yaml")[1]


def test_a_socket_that_a_killed_city_left_does_not_matter(tmp_path, packages, capsys):
    (tmp_path / "var").mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "var" / SOCKET_NAME))
    with running(tmp_path, packages) as city:
        assert apply(capsys, city.file)[0] == 0


def test_a_state_folder_may_have_a_long_path(tmp_path, packages, capsys):
    with running(tmp_path / ("x" * 120) / ("y" * 120), packages) as city:
        assert apply(capsys, city.file)[0] == 0


def test_the_socket_is_its_owners_alone(city):
    path = city.file.parent / "var" / SOCKET_NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "request_line", [b"\n", b"[]\n", b"{}\n", b"{\n", b"\xff\n", b'{"apply": 1}\n', b""]
)
def test_garbage_is_answered_and_the_next_request_works(city, capsys, request_line):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10.0)
        connection.connect(os.path.relpath(city.file.parent / "var" / SOCKET_NAME))
        connection.sendall(request_line)
        connection.shutdown(socket.SHUT_WR)
        answer = json.loads(connection.makefile().readline())
    assert not answer["done"]
    assert apply(capsys, city.file)[0] == 0


def test_a_dry_run_says_what_a_full_machine_would_refuse(city, capsys):
    more = CITY.replace(
        "hub:",
        "  - {id: yard, source: 'rtsp://10.0.0.6/', tasks: {traffic: {model: traffic}}}\nhub:",
    )
    city.write(more)
    city.full = "no room for one"
    status, said = apply(capsys, "--dry-run", city.file)
    assert (status, said.strip()) == (1, "no room for one of 2")
    city.full = ""
    status, said = apply(capsys, "--dry-run", city.file)
    assert status == 0
    assert "camera yard: added" in said
    assert city.given == []
