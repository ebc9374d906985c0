"""The embedded hub in its process: it shows keyframes of any store, and comes back by itself."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import signal
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
import pytest

from camera_adapters import BackoffPolicy
from cityeye import hub_process
from cityeye.config.schema import HubSection
from cityeye.errors import CommandError
from cityeye.hub_process import EVENTS_PATH, HubProcess
from cityeye.logs import LogFormat
from pipelines.access import TokenFile
from pipelines.delivery import Holds
from pipelines.delivery.stores.registry import KeyframeSettings
from pipelines.free_memory import HEAPS
from pipelines.keyframe_key import keyframe_key
from tests.event_hub.samples import START, dump, incident, keyframe, picture
from tests.free_memory import heaps_of

EVENT = "0b7f1f0e-5f0e-5c0e-9f0e-0b7f1f0e5f0e"
KEY = keyframe_key("cam-1", "i-1", EVENT, 0, hashlib.sha256(picture()).hexdigest(), START)


def section(folder, port=0) -> HubSection:
    return HubSection.model_validate({"port": port, "database": f"sqlite:///{folder}/hub.db"})


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_a_keyframe_is_read_from_the_configured_store_and_deleted_there_unless_it_is_held(
    tmp_path, s3_server, kind
):
    known = {"folder": tmp_path / "keyframes", "s3": s3_server.settings("seen-by-the-hub")}
    settings = KeyframeSettings.model_validate({kind: known[kind]})
    image = picture()
    settings.open().put(KEY, image, hashlib.sha256(image).hexdigest(), "image/jpeg")
    body = dump(incident(keyframes=[keyframe(KEY, image), keyframe(KEY + "x", image)]))
    with HubProcess(section(tmp_path), settings, tmp_path / "access") as hub:
        url = hub.wait()
        auth = {"Authorization": f"Bearer {TokenFile(tmp_path / 'access').first()}"}
        headers = auth | {"Content-Type": "application/cloudevents+json"}
        with urlopen(Request(url + EVENTS_PATH, body, headers), timeout=20) as answer:
            assert json.loads(answer.read())["stored"] == 1
        with urlopen(Request(f"{url}/api/keyframes/{KEY}", headers=auth), timeout=20) as answer:
            assert answer.read() == image
        with pytest.raises(HTTPError, match="404"):
            urlopen(Request(f"{url}/api/keyframes/{KEY}x", headers=auth), timeout=20)
        wanted = json.dumps({"incidents": ["i-1"], "reason": "asked for by a person"}).encode()
        asked = Request(f"{url}/api/deletions", wanted, auth | {"Content-Type": "application/json"})
        Holds(tmp_path).add("i-1", "an accident")
        with pytest.raises(HTTPError, match="409"):
            urlopen(asked, timeout=20)
        assert settings.open().exists(KEY)
        Holds(tmp_path).release("i-1")
        with urlopen(asked, timeout=60) as answer:
            assert json.loads(answer.read())["complete"]
        assert not settings.open().exists(KEY)


@pytest.mark.integration
def test_its_threads_share_heaps(tmp_path):
    settings = KeyframeSettings.model_validate({"folder": tmp_path / "keyframes"})
    with HubProcess(section(tmp_path), settings, tmp_path / "access") as hub:
        url = hub.wait()
        auth = {"Authorization": f"Bearer {TokenFile(tmp_path / 'access').first()}"}

        def ask(number):
            with urlopen(Request(f"{url}/api/incidents?limit={number}", headers=auth), timeout=20):
                pass

        with ThreadPoolExecutor(8) as callers:
            list(callers.map(ask, range(1, 81)))
        assert heaps_of(hub.pid) <= HEAPS


def test_a_hub_that_does_not_start_says_why(tmp_path):
    settings = KeyframeSettings.model_validate({"folder": tmp_path})
    with contextlib.closing(sqlite3.connect(tmp_path / "hub.db")) as newer:
        newer.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        newer.execute("INSERT INTO alembic_version VALUES ('0042')")
        newer.commit()
    with (
        HubProcess(section(tmp_path), settings, tmp_path / "access") as hub,
        pytest.raises(CommandError, match=r"the event hub did not start: .*version 0042"),
    ):
        hub.wait()


@pytest.mark.integration
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_hub_that_ends_or_is_stuck_comes_back_with_what_it_had(tmp_path, monkeypatch, number):
    monkeypatch.setattr("cityeye.hub_process.SILENT_S", 1.0)
    monkeypatch.setattr("cityeye.hub_process.ASK_EVERY_S", 0.2)
    monkeypatch.setattr("cityeye.hub_process.ASK_TIMEOUT_S", 0.2)
    settings = KeyframeSettings.model_validate({"folder": tmp_path})
    with HubProcess(section(tmp_path), settings, tmp_path / "access") as hub:
        url = hub.wait()
        auth = {"Authorization": f"Bearer {TokenFile(tmp_path / 'access').first()}"}
        headers = auth | {"Content-Type": "application/cloudevents+json"}
        with urlopen(Request(url + EVENTS_PATH, dump(incident()), headers), timeout=20):
            assert hub.check() == ""
        first = hub.pid
        os.kill(first, number)
        said = set()
        deadline_s = time.monotonic() + 60
        while hub.pid == first or (problem := hub.check()):
            said.add(hub.check())
            assert time.monotonic() < deadline_s, said
            time.sleep(0.05)
        assert problem == ""
        assert any(one.startswith("the event hub is away: it ") for one in said)
        with urlopen(Request(f"{url}/health", headers=auth), timeout=20) as answer:
            assert json.loads(answer.read())["events"] == 1


@pytest.mark.integration
def test_what_is_wrong_with_what_it_keeps_is_known_outside(tmp_path, monkeypatch):
    monkeypatch.setattr("cityeye.hub_process.RESTARTS", BackoffPolicy(first_s=0.1, cap_s=0.1))
    settings = KeyframeSettings.model_validate({"folder": tmp_path})
    (tmp_path / "hub.db").write_bytes(b"the diary of somebody else " * 500)
    with HubProcess(section(tmp_path), settings, tmp_path / "access") as hub:
        hub.wait()
        deadline_s = time.monotonic() + 30
        while not hub.problems:
            assert hub.check() == ""
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        (problem,) = hub.problems
        assert problem.startswith("a damaged database was set aside as ")
        for path in tmp_path.glob("hub.db.damaged-*"):
            path.unlink()
        while hub.problems:
            hub.check()
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        os.kill(hub.pid, signal.SIGKILL)
        while not hub.check():
            time.sleep(0.05)
        assert hub.problems == ()


@pytest.mark.integration
def test_the_password_of_its_database_is_in_no_message_and_no_argument(tmp_path, monkeypatch):
    monkeypatch.setattr("cityeye.config.addresses.find_spec", lambda _: object())
    url = "postgresql+psycopg://hub:canary-c0ffee@127.0.0.1:9/hub"
    there = HubSection.model_validate({"port": 0, "database": url})
    settings = KeyframeSettings.model_validate({"folder": tmp_path})
    with HubProcess(there, settings, tmp_path / "access") as hub:
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.NoSuchProcess):
                assert "canary" not in " ".join((*child.cmdline(), *child.environ().values()))
        with pytest.raises(CommandError) as caught:
            hub.wait()
    assert "canary" not in str(caught.value) + repr(there)


@pytest.mark.integration
def test_its_log_has_the_format_of_the_program(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(hub_process, "log_settings", lambda: (LogFormat.JSON, logging.INFO))
    settings = KeyframeSettings.model_validate({"folder": tmp_path / "keyframes"})
    with HubProcess(section(tmp_path), settings, tmp_path / "access") as hub:
        url = hub.wait()
        auth = {"Authorization": f"Bearer {TokenFile(tmp_path / 'access').first()}"}
        headers = auth | {"Content-Type": "application/cloudevents+json"}
        event = incident()
        for body in (event, event | {"data": event["data"] | {"severity": "high"}}):
            with contextlib.suppress(HTTPError):
                urlopen(Request(url + EVENTS_PATH, dump(body), headers), timeout=20)
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    (found,) = [line for line in lines if line["event"] == "event_id_reused"]
    assert found["level"] == "warning"
    assert found["id"] == event["id"]
    assert datetime.fromisoformat(found["time"]).tzinfo is not None
