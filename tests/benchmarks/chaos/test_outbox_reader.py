"""An outbox that its worker holds locked is read by another process, while it is being written."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from benchmarks.chaos.outbox_reader import outbox_files, read_outbox
from pipelines.delivery import Outbox
from pipelines.event import CameraData, CameraStateData, CameraStateEvent
from tests.pipelines.delivery.outboxes import OPENED

READ = """
import json, sys
from pathlib import Path
from benchmarks.chaos.outbox_reader import read_outbox
content = read_outbox(Path(sys.argv[1]))
print(json.dumps(None if content is None else [one.event.id for one in content.events]))
"""


def changed(name: str) -> CameraStateEvent:
    """An event that is not finished, as a worker records it."""
    camera = CameraData(id="gate")
    state = CameraStateData(
        camera=camera, state="online", previous="offline", reason="", since=OPENED
    )
    return CameraStateEvent(
        id=name,
        source="cityeye/c/gate",
        subject="gate",
        time=OPENED,
        partitionkey="gate",
        sequence="",
        data=state,
    )


def read_elsewhere(path: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)], capture_output=True, check=True, text=True
    )
    ids: list[str] = json.loads(done.stdout)
    return ids


def test_all_that_is_committed_is_read_while_the_worker_has_the_file(tmp_path):
    path = tmp_path / "worker-0" / "outbox.db"
    outbox = Outbox(path)
    events = [changed(f"incident-{number}") for number in range(3)]
    for event in events:
        outbox.record(event)
    assert read_elsewhere(path) == [event.id for event in events]
    outbox.close()
    assert read_elsewhere(path) == [event.id for event in events]


@pytest.mark.slow
def test_nothing_that_is_committed_is_missing_in_a_file_that_is_written_all_the_time(tmp_path):
    path = tmp_path / "outbox.db"
    outbox, stop, written = Outbox(path), threading.Event(), []

    def write() -> None:
        while not stop.is_set():
            event = changed(f"incident-{len(written)}")
            outbox.record(event)
            written.append(event.id)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            before = len(written)
            found = read_elsewhere(path)
            assert found[:before] == written[:before]
            assert len(found) == len(set(found))
    finally:
        stop.set()
        writer.join()
        outbox.close()


def test_what_is_no_outbox_is_not_read(tmp_path):
    path = tmp_path / "outbox.db"
    assert read_outbox(path) is None
    path.write_bytes(b"no database" * 1000)
    assert read_outbox(path) is None
    path.unlink()
    sqlite3.connect(path).execute("CREATE TABLE other (x)").connection.close()
    assert read_outbox(path) is None


def test_the_outboxes_of_all_workers_are_found(tmp_path):
    for worker in ("worker-0", "worker-1"):
        Outbox(tmp_path / worker / "outbox.db").close()
    (tmp_path / "worker-1" / "outbox.db.damaged-1").touch()
    (tmp_path / "worker-1" / "outbox.db-wal").touch()
    names = [str(path.relative_to(tmp_path)) for path in outbox_files(tmp_path)]
    assert names == ["worker-0/outbox.db", "worker-1/outbox.db", "worker-1/outbox.db.damaged-1"]


@pytest.mark.parametrize("known", [False, True])
def test_an_event_that_is_known_and_final_is_not_read_again(tmp_path, known):
    path = tmp_path / "outbox.db"
    outbox = Outbox(path)
    outbox.record(changed("incident"))
    outbox.close()
    first = read_outbox(path)
    assert first is not None
    again = read_outbox(path, {one.event.id: one for one in first.events} if known else {})
    assert again is not None
    assert (again.events[0] is first.events[0]) is known
    assert again == first
