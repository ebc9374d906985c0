"""What others can find out of a city that runs: none of its secrets, and no port but its own."""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.canaries import Search, canary, files_below, spellings
from tests.e2e.exposed_city import NOBODY, ROOT, ExposedCity, exposed_city
from tests.serving.api.test_access import routes

pytestmark = [pytest.mark.e2e, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]

BACK_S = 90.0
REFUSED = {"Authorization": "Bearer cye_000000000000_nothing"}


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExposedCity]:
    with exposed_city(tmp_path_factory.mktemp("city")) as city:
        yield city


@dataclass(frozen=True)
class Listener:
    """A socket that others can reach.

    Attributes:
        process: The command line of whom it belongs to.
        kind: `tcp`, `udp` or `unix`.
        place: The address without the port, or the path.
    """

    process: str
    kind: str
    place: str
    port: int = 0


def listeners(processes: list[psutil.Process]) -> list[Listener]:
    """Every socket that waits for others."""
    found = []
    for process in processes:
        with contextlib.suppress(psutil.Error):
            name = " ".join(process.cmdline())
            for one in process.net_connections("all"):
                if one.family == socket.AF_UNIX:
                    if one.laddr:
                        found.append(Listener(name, "unix", str(one.laddr)))
                elif one.type == socket.SOCK_DGRAM and not one.raddr:
                    found.append(Listener(name, "udp", one.laddr.ip, one.laddr.port))
                elif one.status == psutil.CONN_LISTEN:
                    found.append(Listener(name, "tcp", one.laddr.ip, one.laddr.port))
    return found


def is_loopback(place: str) -> bool:
    address = ipaddress.ip_address(place)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def owner(city: ExposedCity, one: Listener) -> str:
    """Which line of the list a listener is; empty where it is none."""
    if one.kind == "unix":
        if one.place in map(str, (city.session() / "sockets").iterdir()):
            return "Ray"
        # Bound by a short name of its folder, see `control_socket`.
        mine = one.place.endswith("/control.sock") and "cityeye.city_process" in one.process
        return "control" if mine else ""
    if not is_loopback(one.place):
        return ""
    own = {city.hub_port: "multiprocessing.spawn", city.api_port: "ray::ProxyActor"}
    if one.kind == "tcp" and one.port in own:
        return "declared" if own[one.port] in one.process else ""
    # Ray's own calls, all behind its token.
    ray = ("gcs_server", "raylet/raylet", "ray::", "cityeye.city_process")
    if one.kind == "tcp":
        return "Ray" if any(words in one.process for words in ray) else ""
    return "camera" if "ray::CameraWorker" in one.process else ""


def test_every_listener_is_on_the_list(city: ExposedCity) -> None:
    found = [(owner(city, one), one) for one in listeners(city.processes())]
    assert [one for line, one in found if not line] == []
    # Otherwise the list would say nothing.
    assert {line for line, _ in found} == {"declared", "Ray", "camera", "control"}
    control = city.state / "control.sock"
    assert control.stat().st_mode & 0o077 == 0


JOIN = """
import sys
from ray._raylet import GcsClient
# ray.init() would replace loopback by the machine's own address, where nobody listens.
GcsClient(address=sys.argv[1]).get_all_node_info(timeout=10)
print("inside", flush=True)
import os; os._exit(0)
"""


@pytest.mark.parametrize(
    ("mode", "inside"), [("token", True), ("token without one", False), ("disabled", False)]
)
def test_nobody_joins_ray_without_its_token(
    city: ExposedCity, tmp_path: Path, mode: str, inside: bool
) -> None:
    address = re.search(r"--gcs-address=(\S+)", " ".join(city.find("raylet/raylet").cmdline()))
    assert address
    environment = {**os.environ, "RAY_AUTH_MODE": mode.split(maxsplit=1)[0]}
    if mode != "token":
        environment["HOME"] = str(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", JOIN, address[1]],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as stranger:
        try:
            said, _ = stranger.communicate(timeout=40)
        except subprocess.TimeoutExpired:
            stranger.kill()
            said, _ = stranger.communicate()
    assert ("inside" in said) is inside


def shown_by_processes(city: ExposedCity) -> dict[str, bytes]:
    places = {}
    for process in city.processes():
        with contextlib.suppress(OSError, psutil.Error):
            for entry in ("environ", "cmdline"):
                content = Path(f"/proc/{process.pid}/{entry}").read_bytes()
                places[f"{entry} of {process.name()} {process.pid}"] = content
    return places


ENDLESS = {"/api/feed", "/cameras/{camera}/live"}
"""Answers that go on for as long as somebody reads."""


def shown_by_servers(city: ExposedCity) -> dict[str, bytes]:
    """Every GET route of both descriptions, right and wrong, and what is refused."""
    values = {"camera": "gate", "name": "brightness", "version": "1"}
    values["incident_id"] = city.incidents()[0]["incident_id"]
    hub = city.read_json(city.hub_port, "/api/openapi.json")["paths"]
    api = city.read_json(city.api_port, "/openapi.json")["paths"]
    assert {path for method, path in routes() if method == "get"} <= {
        path.replace("{", "").replace("}", "") for path in api
    }
    places = {}
    for port, paths in ((city.hub_port, [*hub, "/"]), (city.api_port, [*api, "/-/routes"])):
        for path in (one for one in paths if one not in ENDLESS):
            filled = re.sub(r"{(\w+)[^}]*}", lambda one: values.get(one[1], "none"), path)
            for name, headers in (("", {}), (", refused", REFUSED)):
                places[f"{port}{filled}{name}"] = city.fetch(port, filled, **headers)
    for query in ("before=nonsense", f"limit={city.secrets['gate'][:6]}", "after=-1"):
        places[f"?{query}"] = city.fetch(city.hub_port, f"/api/events?{query}")
    return places


def test_no_secret_is_anywhere_but_in_its_own_file(city: ExposedCity) -> None:
    """Also after a worker, the director and the whole city were started again."""
    assert "does not" not in city.reasons()["gate"]
    errors = {
        "gone": "refused",
        "lost": "has no address|was not found in time",
        "hall": "points to",
    }

    def all_said() -> bool:
        told = city.reasons()
        return all(re.search(words, told.get(name, "")) for name, words in errors.items())

    city.wait(all_said, "the reasons")
    search = Search({**city.secrets, "first": city.first_token})
    places = {**shown_by_processes(city), **shown_by_servers(city)}
    assert sum(place.startswith("environ") for place in places) > 8
    assert b"cityeye_cameras" in places[f"{city.api_port}/metrics"]
    for words, number in (("ray::CameraWorker", signal.SIGSEGV), ("ray::Director", signal.SIGKILL)):
        victim = city.find(words)
        victim.send_signal(number)
        psutil.wait_procs([victim], timeout=20)
        city.wait(lambda: "online" in city.reasons().get("gate", ""), words, BACK_S)
    sessions = [city.session()]
    city.find("cityeye.city_process").kill()
    city.wait(lambda: "the city is back after" in city.text, "the city", BACK_S)
    city.wait(lambda: "online" in city.reasons().get("gate", ""), "gate again", BACK_S)
    sessions.append(city.session())
    again = {**shown_by_processes(city), **shown_by_servers(city)}
    assert city.stop() == 0, city.text[-3000:]
    files = files_below(city.folder, city.own_files)
    for part in ("worker.log", "director.log", "outbox.db", "hub.db", "output.txt", "report.json"):
        assert any(part in path for path in files), part
    told = {str(number): one.body for number, one in enumerate(city.echo.deliveries)}
    sent = {f"key {number}": one.path.encode() for number, one in enumerate(city.store.deliveries)}
    ray = {path: one for session in sessions for path, one in files_below(session).items()}
    assert len(ray) > 10
    assert search.leaks({**places, **again, **files, **ray, **told, **sent}) == []
    said = city.text + "".join(one.decode(errors="replace") for one in files.values())
    for error in ("relay.not_delivered", "unauthorized", "InvalidAccessKeyId"):
        assert error in said, "the paths of errors were not taken"


BROKEN: dict[str, dict[str, Any]] = {
    "no such database": {
        "hub": {"database": f"postgresql+psycopg://hub:${{SECRET}}@{NOBODY}/hub"},
    },
    "a login in a sink": {"sinks": [{"url": "http://hub:${SECRET}@127.0.0.1:9/events"}]},
    "a weak signature": {"sinks": [{"url": "http://127.0.0.1:9/events", "secret": "${SECRET}"}]},
    "a secret of many": {"sinks": [{"url": "http://127.0.0.1:9/", "token": ["${SECRET}"]}]},
    "a store that is not there": {
        "models": {
            "url": "s3://models/all",
            "endpoint": f"http://{NOBODY}",
            "access_key": "${SECRET}",
            "secret_key": "${SECRET}",
        }
    },
    "a password as the host": {"cameras": [{"source": "rtsp://viewer:${SECRET}@x/live"}]},
    "a password without a name": {"cameras": [{"source": "rtsp://x/", "password": "${SECRET}"}]},
    "an unknown key": {"hub": {"databse": "${SECRET}"}, "state": "${SECRET}"},
}


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("name", BROKEN)
def test_a_city_that_does_not_start_says_why_without_a_secret(
    tmp_path: Path, name: str, log_format: str
) -> None:
    secret = canary("broken")
    camera = {"id": "gate", "tasks": {"crowding": {"model": "crowding"}}, "source": "rtsp://x/"}
    document: dict[str, Any] = {"hub": {}, **BROKEN[name]}
    document["cameras"] = [{**camera, **one} for one in BROKEN[name].get("cameras", [{}])]
    city = tmp_path / "city.yaml"
    city.write_text(json.dumps(document), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "cityeye", "--debug", "--log-format", log_format, "run", city.name],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "SECRET": secret},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stderr.decode()
    files = files_below(tmp_path, frozenset({city}))
    assert Search({"secret": secret}).leaks({"out": done.stdout, "err": done.stderr, **files}) == []


def test_the_search_finds_a_secret_in_every_spelling() -> None:
    secret = canary("found")
    for one in spellings(secret):
        assert Search({"x": secret}).leaks({"a": b"before " + one + b" after"}) == ["x in a"]
    for user in ("a", "ab", "abc"):
        login = base64.b64encode(f"{user}:{secret}".encode())
        assert Search({"x": secret}).leaks({"a": login}) == ["x in a"]
    token = b"cye_0123456789ab_" + b"A" * 43
    assert Search({}).leaks({"b": token, "c": b"cye_0123456789ab"}) == ["a token in b"]
