"""`cityeye doctor` and `cityeye status`: what is wrong is named, and nothing that is not known."""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections import namedtuple

import pytest

import cityeye.cli
from cityeye import doctor
from cityeye.cli import main
from cityeye.commands.status import status_lines
from tests.e2e.command import free_ports

CITY = """\
cameras: [{{id: gate, source: 'rtsp://10.0.0.5/', tasks: {{traffic: {{model: traffic}}}}}}]
hub: {{port: {hub}}}
api: {{port: {api}}}
sinks: [{{url: 'http://127.0.0.1:{sink}/events'}}]
models: {{path: {packages}}}
"""


@pytest.fixture
def city(tmp_path, packages, monkeypatch):
    monkeypatch.setattr(cityeye.cli, "set_up_logs", lambda *_: None)
    file = tmp_path / "city.yaml"
    api, hub, sink = free_ports(3)

    def write(**ports: int):
        given = {"api": api, "hub": hub, "sink": sink, **ports}
        file.write_text(CITY.format(packages=packages, **given), "utf-8")
        return file

    return write


def examined(capsys, *arguments: object) -> tuple[int, dict[str, tuple[str, str]]]:
    status = main(["doctor", *map(str, arguments)])
    lines = capsys.readouterr().out.splitlines()
    found = [re.fullmatch(r"(ok|warn|fail) +(.+?): (.+)", line) for line in lines]
    assert all(found)
    return status, {one[2]: (one[1], one[3]) for one in found if one}


def test_a_machine_that_has_everything(city, capsys):
    with socket.create_server(("127.0.0.1", 0)) as receiver:
        status, found = examined(capsys, city(sink=receiver.getsockname()[1]))
    assert status == 0, found
    assert found["video"][1].endswith("decodes H.264, H.265 and JPEG")
    assert found["models"][1] in ("traffic/1 runs on cpu", "traffic/1 runs on cuda")
    assert found["port of `api`"][1].endswith("is free")
    assert found["model packages"][1].startswith("crowding, littering, traffic in ")
    assert found["sink 1"][0] == "ok"


def test_what_is_wrong_is_named_with_what_to_do(city, capsys):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        status, found = examined(capsys, city(api=port))
    assert status == 1
    taken = f"{port} is taken by another program; choose another one"
    assert found["port of `api`"] == ("fail", taken)
    assert found["sink 1"][0] == "fail"
    assert "does not answer (connection refused)" in found["sink 1"][1]


def test_a_file_with_mistakes_is_left_to_check(city, capsys):
    file = city()
    file.write_text(file.read_text("utf-8").replace("traffic}", "trafic}"), "utf-8")
    status, found = examined(capsys, file)
    assert (status, found[str(file)][0]) == (1, "fail")
    assert found[str(file)][1].startswith("1 mistake; `cityeye check ")


@pytest.mark.parametrize(("free", "level"), [(0.5e9, "fail"), (5e9, "warn"), (500e9, "ok")])
def test_a_disk_that_fills_up(capsys, monkeypatch, free, level):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(int(1e12), 0, int(free)))
    _, found = examined(capsys)
    assert found["disk here"][0] == level


def test_a_check_that_breaks_costs_no_other(city, capsys, monkeypatch):
    monkeypatch.setattr(os, "sysconf", lambda _: 1 // 0)
    monkeypatch.setattr(doctor, "_clock", doctor._memory)
    status, found = examined(capsys)
    assert found["memory"] == ("warn", "could not be made (ZeroDivisionError)")
    assert found["models"][0] == "ok"
    assert status == 0


HEALTH = {
    "status": "degraded",
    "problems": [f"camera c{number} is offline: no answer" for number in range(14)],
    "cameras": 20,
    "cameras_online": 4,
    "cameras_degraded": 1,
    "cameras_unknown": 1,
    "capacity": {"sentence": "4 cameras need 0.31 of 2 cores; 20 more like them fit"},
    "load": {"normal": {"asked_fps": 20.0, "given_fps": 18.5, "share": 0.9}},
    "events_delivered": 7,
    "events_pending": 2,
    "events_dead": 0,
    "sinks": [{"name": "hub", "status": "failing", "reason": "answered 503"}],
}
MODEL = {
    "name": "traffic",
    "version": "2",
    "role": "stable",
    "status": "RUNNING",
    "provider": "cpu",
    "cameras": ["c1", "c2"],
}


def test_the_state_of_a_city_fits_on_one_screen():
    lines = list(status_lines("http://127.0.0.1:8500", HEALTH, [MODEL]))
    assert len(lines) <= 24
    assert lines[:6] == [
        "city at http://127.0.0.1:8500: degraded",
        "cameras   4 of 20 online, 1 degraded, 1 unknown: nobody may be watching them, 14 offline",
        "load      normal: 18.5 of 20 inferences/s",
        "capacity  4 cameras need 0.31 of 2 cores; 20 more like them fit",
        "model     traffic/2 stable, running on cpu, 2 cameras",
        "events    7 delivered, 2 wait, 0 refused for good",
    ]
    assert lines[-1].strip() == "and 2 more; GET /health has all"


def test_without_a_city_it_says_so(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(cityeye.cli, "set_up_logs", lambda *_: None)
    monkeypatch.setenv("CITYEYE_TOKEN", "cye_a_b")
    (port,) = free_ports(1)
    assert main(["status", "--api", f"http://127.0.0.1:{port}"]) == 1
    assert "no control API answers at" in capsys.readouterr().err


def test_the_version(capsys, monkeypatch):
    monkeypatch.setattr(cityeye.cli, "set_up_logs", lambda *_: None)
    assert main(["--version"]) == 0
    assert re.fullmatch(r"cityeye \d+\.\d+\.\d+\n", capsys.readouterr().out)
