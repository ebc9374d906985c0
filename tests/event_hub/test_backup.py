"""A hub comes back from its backup and answers as before, on both kinds of database."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import shutil
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from benchmarks.hub_events import incidents, measurements
from cityeye.cli import main
from event_hub import HubParts, back_up, restore
from event_hub.errors import BackupError, DatabaseVersionError
from event_hub.migrations.upgrade import prepare_as_of
from tests.event_hub.conftest import Client, running
from tests.event_hub.people import send
from tests.event_hub.samples import camera_state, incident, keyframe, picture
from tests.event_hub.test_evidence import put
from tests.event_hub.test_migrations import lite

KEY = "kf-30d/v1/2026/11/20/cam-1/04/a.jpg"
GONE = "kf-30d/v1/2026/11/20/cam-1/04/gone.jpg"
PASSWORD = "correct horse battery staple"
BATCH = "application/cloudevents-batch+json"
ASKED = (
    "/api/incidents?limit=200&order=worst",
    "/api/incidents?limit=200&text=queue_m",
    "/api/incident-counts",
    "/api/statistics/incidents?by=zone",
    "/api/statistics/places",
    "/api/statistics/timeline?since=2026-10-20T00:00:00Z&until=2026-11-01T00:00:00Z",
    "/api/statistics/measurements?kind=traffic.flow&since=2026-10-31T00:00:00Z"
    "&until=2026-11-01T00:00:00Z",
    "/api/measurements?limit=200",
    "/api/events?limit=200",
    "/api/users",
    "/api/groups",
    "/api/cases",
    "/api/subscriptions",
    "/api/deletions",
    "/api/incidents/i-1",
    "/api/incidents/i-1/case",
    "/api/precision",
    f"/api/keyframes/{KEY}",
)


class Store:
    """A keyframe store in memory."""

    def __init__(self, stored: dict[str, bytes] | None = None) -> None:
        self.stored = stored or {}

    def fetch(self, key: str) -> bytes:
        return self.stored[key]

    def put(self, key: str, data: bytes, media_type: str) -> None:
        assert media_type == "image/jpeg"
        self.stored[key] = data


def send_batches(hub: Client, events: Iterator[bytes]) -> None:
    headers = hub.auth | {"Content-Type": BATCH}
    while some := list(itertools.islice(events, 250)):
        body = b"[" + b",".join(some) + b"]"
        answer = hub.http.request("POST", f"{hub.url}/api/events", body=body, headers=headers)
        assert answer.status == 200


def filled(hub: Client, folder: Path, count: int) -> None:
    """Events, people, a case, evidence: something in every table that people fill."""
    put(folder / "kf", KEY, picture())
    named = [keyframe(KEY, picture()), keyframe(GONE, picture(30), "closing")]
    hub.post(incident(keyframes=named))
    hub.post(camera_state())
    send_batches(hub, incidents(count))
    send_batches(hub, measurements(count))
    for method, path, body in (
        ("PUT", "/api/groups/north", {"members": [{"camera": "cam-1"}]}),
        ("POST", "/api/users", {"name": "wang", "role": "operator", "password": PASSWORD}),
        ("POST", "/api/incidents/i-1/confirm", {"revision": 0}),
        ("POST", "/api/incidents/i-1/hold", {}),
    ):
        answer = send(hub, method, path, body)
        assert answer.status < 300, (path, answer.data)


def answers(hub: Client) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in ASKED:
        answer = hub.get(path)
        assert answer.status == 200, (path, answer.data)
        is_json = answer.headers["Content-Type"].startswith("application/json")
        # The order of names in an object means nothing, and databases count in any order.
        data = json.dumps(answer.json(), sort_keys=True).encode() if is_json else answer.data
        found[path] = hashlib.sha256(data).hexdigest()
    return found


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A backup of a small hub that has ended."""
    with running(tmp_path) as start:
        filled(start(), tmp_path, 5)
    parts = HubParts(f"sqlite:///{tmp_path}/hub.db", tmp_path, Store({KEY: picture()}))
    back_up(parts, tmp_path / "hub.tar", lambda _: None)
    return tmp_path / "hub.tar"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.proof)])
@pytest.mark.parametrize(
    "kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)]
)
def test_a_hub_is_backed_up_wiped_and_restored(
    kind: str, count: int, tmp_path: Path, request: pytest.FixtureRequest, capsys
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    file = tmp_path / "hub.tar"
    with running(old) as start:
        hub = start()
        filled(hub, old, count)
        before = answers(hub)
        where = ("--database", f"sqlite:///{old}/hub.db", "--state", str(old))
        assert main(["backup", str(file), *where, "--keyframes", str(old / "kf")]) == 0
        said = capsys.readouterr().out
        assert "1 keyframes and clips" in said
        assert "not in the store" in said, "the benchmark's incidents have no images"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    shutil.rmtree(old)
    url = f"sqlite:///{new}/hub.db"
    if kind == "postgresql":
        url = request.getfixturevalue("postgres")
    where = ("--database", url, "--state", str(new))
    assert main(["restore", str(file), *where, "--keyframes", str(new / "kf")]) == 0, (
        capsys.readouterr()
    )
    with running(new) as start:
        assert answers(start(database=url)) == before


def test_a_city_whose_cameras_are_not_known_here_is_backed_up(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = {
        "cameras": [{"id": "gate-1", "source": "rtsp://x/1", "password": "${NOT_SET_HERE}"}],
        "hub": {"database": f"sqlite:///{tmp_path}/hub.db"},
        "keyframes": {"folder": str(tmp_path / "kf")},
        "state": str(tmp_path),
    }
    city = put(tmp_path, "city.yaml", json.dumps(lines).encode())
    assert main(["backup", str(tmp_path / "city.tar"), str(city)]) == 0, capsys.readouterr().err
    assert "1 keyframes and clips" in capsys.readouterr().out
    put(tmp_path, "city.yaml", json.dumps(lines | {"keyframes": {"folder": 3}}).encode())
    assert main(["backup", str(tmp_path / "other.tar"), str(city)]) == 1
    said = capsys.readouterr().err
    assert "keyframes.folder" in said
    assert "NOT_SET_HERE" not in said
    put(tmp_path, "city.yaml", json.dumps(lines | {"hub": None}).encode())
    assert main(["backup", str(tmp_path / "other.tar"), str(city)]) == 1
    assert "no section `hub`" in capsys.readouterr().err


def test_a_backup_of_a_hub_that_runs_is_of_one_moment(tmp_path: Path, start_hub) -> None:
    hub = start_hub()
    hub.post(incident())
    parts = HubParts(f"sqlite:///{tmp_path}/hub.db", tmp_path, None)

    def late(_: str) -> None:
        hub.post(incident("i-2"))

    report = back_up(parts, tmp_path / "hub.tar", late)
    new = tmp_path / "new"
    again = restore(tmp_path / "hub.tar", HubParts(f"sqlite:///{new}/hub.db", new, None), print)
    assert (again.rows, again.files) == (report.rows, report.files)
    with running(new) as start:
        restored = start()
        assert restored.json("/health")["events"] == 1
        assert hub.json("/health")["events"] == 2


def test_what_a_running_city_makes_anew_is_left_out(saved: Path) -> None:
    state = saved.parent
    for name in ("worker-0/outbox.db", "incarnation.txt", "director.log", "places/cam-1.json"):
        put(state, name, b"x")
    parts = HubParts(f"sqlite:///{state}/hub.db", state, None)
    back_up(parts, state.parent / f"{state.name}.tar", lambda _: None)
    with tarfile.open(state.parent / f"{state.name}.tar") as tar:
        names = tar.getnames()
    assert "state/places/cam-1.json" in names
    assert any(name.startswith("state/access/") for name in names)
    left_out = ("worker-0", "incarnation", ".log", "hub.db")
    assert not [name for name in names if any(one in name for one in left_out)]


def rewritten(saved: Path, change: Any) -> Path:
    """The backup with one member changed, or without it."""
    other = saved.with_name("other.tar")
    with tarfile.open(saved) as tar, tarfile.open(other, "w") as out:
        for entry in tar:
            member = tar.extractfile(entry)
            assert member is not None
            data = change(entry.name, member.read())
            if data is not None:
                entry.size = len(data)
                out.addfile(entry, io.BytesIO(data))
    return other


def cut(saved: Path) -> Path:
    data = saved.read_bytes()
    other = saved.with_name("cut.tar")
    other.write_bytes(data[: len(data) // 2])
    return other


def other_format(name: str, data: bytes) -> bytes:
    return (
        json.dumps(json.loads(data) | {"format": 9}).encode() if name == "manifest.json" else data
    )


def newer(name: str, data: bytes) -> bytes:
    if name != "manifest.json":
        return data
    return json.dumps(json.loads(data) | {"revision": "9999"}).encode()


DAMAGED = {
    "cut": (cut, "no whole backup|not a whole backup"),
    "no manifest": (
        lambda saved: rewritten(saved, lambda n, d: None if n == "manifest.json" else d),
        "not a whole backup",
    ),
    "a changed table": (
        lambda saved: rewritten(saved, lambda n, d: d[:-1] + b"!" if "events" in n else d),
        "is not what was written",
    ),
    "a table is missing": (
        lambda saved: rewritten(saved, lambda n, d: None if "/users" in n else d),
        "users.* is missing",
    ),
    "another format": (lambda saved: rewritten(saved, other_format), "format 9"),
    "no archive": (lambda saved: put(saved.parent, "x.tar", b"hello" * 300), "no whole backup"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_backup_restores_nothing(damage: str, saved: Path) -> None:
    make, says = DAMAGED[damage]
    new = saved.parent / "new"
    with pytest.raises(BackupError, match=says):
        restore(make(saved), HubParts(f"sqlite:///{new}/hub.db", new, Store()), print)
    assert not new.exists()


def test_a_backup_of_an_earlier_program_is_brought_forward(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/hub.db"
    engine = create_engine(url)
    with engine.begin() as connection:
        prepare_as_of(connection, "0004")
        connection.exec_driver_sql("UPDATE usage SET position = 7")
    engine.dispose()
    back_up(HubParts(url, tmp_path, None), tmp_path / "hub.tar", print)
    new = tmp_path / "new"
    restore(tmp_path / "hub.tar", HubParts(f"sqlite:///{new}/hub.db", new, None), print)
    with running(new) as start:
        restored = start()
        restored.post(incident())
        (one,) = restored.json("/api/events")["events"]
        assert one["position"] == 8


def test_a_backup_of_a_newer_program_is_refused(saved: Path) -> None:
    new = saved.parent / "new"
    with pytest.raises(DatabaseVersionError, match="9999"):
        restore(rewritten(saved, newer), HubParts(f"sqlite:///{new}/hub.db", new, None), print)


def test_nothing_that_is_there_is_replaced(saved: Path) -> None:
    state = saved.parent
    parts = HubParts(f"sqlite:///{state}/hub.db", state, None)
    with pytest.raises(BackupError, match="the database holds something already"):
        restore(saved, parts, print)
    elsewhere = state / "new"
    put(elsewhere, "access/tokens.json", b"other")
    token_files = [path for path in (state / "access").iterdir() if path.is_file()]
    put(elsewhere, f"access/{token_files[0].name}", b"other")
    with pytest.raises(BackupError, match="is there, and differs from the backup"):
        restore(saved, HubParts(f"sqlite:///{elsewhere}/hub.db", elsewhere, None), print)
    with pytest.raises(BackupError, match="is there already"):
        back_up(parts, saved, print)


def test_a_backup_that_fails_leaves_no_file(saved: Path) -> None:
    state = saved.parent

    class Away(Store):
        def fetch(self, key: str) -> bytes:
            raise OSError("the store is away")

    target = state / "second.tar"
    with pytest.raises(BackupError, match="cannot be read from the store: the store is away"):
        back_up(HubParts(f"sqlite:///{state}/hub.db", state, Away()), target, print)
    with pytest.raises(BackupError, match="there is no database"):
        back_up(HubParts(f"sqlite:///{state}/none.db", state, None), target, print)
    assert not [path for path in state.iterdir() if path.name.startswith("second")]


def test_a_database_of_before_is_started_once_first(tmp_path: Path) -> None:
    parts = HubParts(lite(tmp_path, "8dd4002"), tmp_path, None)
    with pytest.raises(BackupError, match="start a hub with it once"):
        back_up(parts, tmp_path / "hub.tar", print)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "give the city's file, or --database and --state"),
        (("--database", "sqlite:///hub.db", "--state", "."), "--keyframes"),
        (("city.yaml", "--state", "."), "give either the city's file, or the options"),
        (("--database", "postgresql+psycopg://a:b@h/x", "--state", "x", "--keyframes", "y"),
         "CITYEYE_HUB_DATABASE_PASSWORD"),
    ],
)  # fmt: skip
def test_what_a_backup_needs_is_said(words: tuple[str, ...], says: str, tmp_path, capsys) -> None:
    assert os.environ.get("CITYEYE_HUB_DATABASE_PASSWORD") is None
    assert main(["backup", str(tmp_path / "hub.tar"), *words]) == 1
    assert says in capsys.readouterr().err
