"""`cityeye hub` in a process of its own: what it takes, and that it keeps its secrets to itself."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from cityeye.cli import main
from event_hub.database import with_password
from event_hub.errors import DatabaseUrlError, PasswordInUrlError
from tests.event_hub.process import hub_process
from tests.event_hub.samples import incident
from tests.pipelines.tracing.collector import Collector

PASSWORD = "canary-p@ss/wörd"
SECRET = "whsec_" + base64.b64encode(b"canary-secret-of-24-bytes").decode()


def command(folder: Path, *options: str) -> list[str]:
    given = ["--port", "0", "--state", str(folder), "--keyframes", str(folder)]
    return [sys.executable, "-m", "cityeye", "hub", *given, *options]


def said_by(folder: Path, *options: str, **environment: str) -> str:
    """What a hub says that does not start."""
    done = subprocess.run(
        command(folder, *options),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def listeners(process: psutil.Process) -> list[str]:
    """Where others reach it: TCP, UDP and named sockets of this machine."""
    return [
        f"http://{one.laddr.ip}:{one.laddr.port}" if one.status == psutil.CONN_LISTEN else repr(one)
        for one in process.net_connections("all")
        if one.laddr
        and (
            one.status == psutil.CONN_LISTEN
            or one.family == socket.AF_UNIX
            or one.type == socket.SOCK_DGRAM
        )
    ]


@pytest.mark.slow
def test_it_listens_at_one_place_and_shows_none_of_its_secrets(tmp_path: Path) -> None:
    secrets = {"CITYEYE_HUB_SECRET": SECRET, "CITYEYE_HUB_DATABASE_PASSWORD": PASSWORD}
    database = f"sqlite:///{tmp_path}/hub.db"
    with subprocess.Popen(
        command(tmp_path, "--database", database),
        stdout=subprocess.PIPE,
        env={**os.environ, **secrets},
    ) as hub:
        try:
            assert hub.stdout is not None
            url = hub.stdout.readline().decode().split()[-1]
            me = psutil.Process(hub.pid)
            processes = (me, *me.children(recursive=True))
            assert [one for process in processes for one in listeners(process)] == [url]
            for process in processes:
                shown = [*process.cmdline(), *process.environ().values()]
                assert not [one for one in shown if PASSWORD in one or SECRET in one]
                assert not secrets.keys() & process.environ().keys()
        finally:
            hub.terminate()
        assert hub.wait(20) == 0


@pytest.mark.slow
def test_a_weak_secret_is_refused_and_not_shown(tmp_path: Path) -> None:
    said = said_by(tmp_path, CITYEYE_HUB_SECRET="hunter2")
    assert "webhook" in said
    assert "hunter2" not in said


@pytest.mark.slow
def test_a_password_in_an_argument_is_refused_and_not_shown(tmp_path: Path) -> None:
    url = "postgresql+psycopg://hub:hunter2@127.0.0.1:9/hub"
    said = said_by(tmp_path, "--database", url)
    assert "CITYEYE_HUB_DATABASE_PASSWORD" in said
    assert "hunter2" not in said


@pytest.mark.slow
def test_a_limit_that_one_late_heartbeat_would_exceed_is_refused(tmp_path: Path) -> None:
    assert "silence_limit_s: Input should be greater than or equal to 8" in said_by(
        tmp_path, "--silence-limit", "7.9"
    )


@pytest.mark.slow
def test_events_are_kept_for_as_long_as_they_may_come_again(tmp_path: Path) -> None:
    said = said_by(tmp_path, "--days", "2.9")
    assert "days: Input should be greater than or equal to 3" in said


@pytest.mark.parametrize(
    "url", ["postgresql://hub:x@h/d", "postgresql://hub:@h/d", "postgresql://h/d?password=x"]
)
def test_a_url_that_everybody_sees_holds_no_password(url: str) -> None:
    with pytest.raises(PasswordInUrlError):
        with_password(url, PASSWORD)


def test_a_password_is_put_into_the_url_of_a_server_and_into_no_text() -> None:
    url = with_password("postgresql+psycopg://hub@h:5432/d", PASSWORD)
    assert url.get_secret_value() == ("postgresql+psycopg://hub:canary-p%40ss%2Fw%C3%B6rd@h:5432/d")
    assert "canary" not in repr(url) + str(url)
    file = "sqlite:///var/hub.db"
    assert with_password(file, PASSWORD).get_secret_value() == file
    with pytest.raises(DatabaseUrlError, match="sqlite:///FILE"):
        with_password("hub.db", "")


LONE = """hub:
  port: 8601
  oidc:
    issuer: https://id.city.example
    client_id: hub
    secret: ${CITY_ID_PASS}
    label: City ID
    roles: {operators: operator}
  cases:
    limits: {high: {decide_minutes: 15}}
    escalate_to: [shift leader]
"""
ELSEWHERE = """cameras:
- {id: gate, source: "rtsp://gate/1", username: hub, password: "${NOT_ON_THIS_MACHINE}", zone: []}
"""
"""What a hub alone need not know, nor have right."""


@pytest.mark.slow
@pytest.mark.integration
def test_alone_it_has_the_logins_and_limits_of_a_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITY_ID_PASS", PASSWORD)
    config = tmp_path / "hub.yaml"
    config.write_text(LONE + ELSEWHERE)
    with hub_process(tmp_path, "--config", str(config)) as hub:
        # Who has not logged in is shown the login page in place of any other.
        asked = urllib.request.Request(hub.client.url, headers={"Accept": "text/html"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(asked)
        with refused.value as page:
            assert "City ID" in page.read().decode()
        # Limits count for what opened since the hub has them.
        soon = datetime.now(UTC) + timedelta(seconds=1)
        hub.client.post(incident("i-1", severity="high", opened_at=soon))
        due = hub.client.json("/api/incidents/i-1/case")["due"]
        assert (due["name"], due["is_passed"]) == ("decide", False)
        me = psutil.Process(hub.popen.pid)
        assert PASSWORD not in [*me.cmdline(), *me.environ().values()]
    said = (tmp_path / "hub.log").read_text()
    assert "of `hub`, port count for `cityeye run` only" in said
    assert "NOT_ON_THIS_MACHINE" not in said
    assert PASSWORD not in said


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.parametrize("beside", ["", LONE.replace("${CITY_ID_PASS}", PASSWORD)])
def test_alone_it_adds_its_commits_to_the_traces_of_events(tmp_path: Path, beside: str) -> None:
    trace, frame = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    config = tmp_path / "hub.yaml"
    with Collector() as collector:
        config.write_text(f"{beside}traces: {{endpoint: {collector.url}}}\n{ELSEWHERE}")
        with hub_process(tmp_path, "--config", str(config)) as hub:
            hub.client.post(incident("i-1") | {"traceparent": f"00-{trace}-{frame}-01"})
            hub.client.post(incident("i-2"))
            (span,) = collector.wait_for(bool)
            assert hub.end() == 0
        assert collector.spans == [span]
    assert (span.name, span.trace, span.parent) == ("hub.commit", trace, frame)


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("traces: {endpoint: here}\n", 1, "Write http://HOST:4318"),
        ("hub: here\ntraces: {endpoint: http://127.0.0.1:4318}\n", 1, "no section of this name"),
        (LONE.replace("https:", "http:"), 4, "give an https:// address"),
        (LONE.replace("operators: operator", "operators: king"), 8, "roles"),
        (LONE.replace("15", "soon"), 10, "decide_minutes"),
        ("cameras: []\n", 1, "the file has no section of this name"),
        (LONE.replace("    label", "    labl"), 7, "the key is unknown"),
    ],
)
def test_a_mistake_in_it_is_named_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, line: int, why: str
) -> None:
    config = tmp_path / "hub.yaml"
    config.write_text(text.replace("${CITY_ID_PASS}", "hidden-word"))
    assert main(["hub", "--config", str(config), "--state", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert f"{config}:{line}:" in said
    assert why in said
    assert "hidden-word" not in said
