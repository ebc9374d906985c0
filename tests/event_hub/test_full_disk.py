"""A real disk that is full or read-only, in a mount namespace of its own, below a running hub."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.event_hub.conftest import Client
from tests.event_hub.process import Process, command, hub_process
from tests.event_hub.samples import heartbeat, incident

MAY_MOUNT = (
    subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0
)
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not MAY_MOUNT, reason="mount namespaces need root"),
]
WAIT_S = 30.0
BLOCK = b"\0" * 65536


def on_a_small_disk(options: str) -> list[str]:
    """What stands before a command that has such a disk at the folder $DISK."""
    return ["unshare", "-m", "sh", "-c", f'{options}; exec "$@"', "sh"]


@contextmanager
def hub_on_a_small_disk(folder: Path) -> Iterator[tuple[Process, Path]]:
    """A hub whose database is alone on a disk of 3 MB, and where that is seen from here."""
    disk = folder / "disk"
    disk.mkdir()
    wrap = on_a_small_disk(f"mount -t tmpfs -o size=3m none {disk}")
    with hub_process(folder, "--database", f"sqlite:///{disk}/hub.db", wrap=wrap) as process:
        yield process, Path(f"/proc/{process.popen.pid}/root{disk}")


def fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as file:
        try:
            while file.write(BLOCK):
                pass
        except OSError:
            pass


def wait_for(client: Client, status: str) -> dict:
    deadline_s = time.monotonic() + WAIT_S
    while (health := client.json("/health"))["status"] != status:
        assert time.monotonic() < deadline_s, health
        time.sleep(0.2)
    return health


def test_a_full_disk_keeps_senders_waiting_and_is_over_by_itself(tmp_path: Path) -> None:
    with hub_on_a_small_disk(tmp_path) as (process, disk):
        client = process.client
        fill(disk)
        stored = []
        for number in range(2000):
            answer = client.post(incident(f"i-{number}"))
            if answer.status != 200:
                break
            stored.append(f"i-{number}")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "2"), len(stored)
        health = wait_for(client, "degraded")
        assert "nothing can be stored: the database does not answer" in health["problems"][0]
        assert "full" in health["problems"][0]
        # Who watches is known all the same, and what is stored can be read.
        assert client.post(heartbeat({"cam-1": "online"})).status == 200
        assert client.json("/api/cameras")["online"] == 1
        assert client.json("/health")["events"] == len(stored)
        assert client.get("/healthz").status == 200
        # Nobody sends anything, so nothing but the hub itself finds out that it is over.
        os.unlink(disk / "filler")
        assert wait_for(client, "ok")["problems"] == []
        assert client.post(incident("again")).status == 200
        assert process.end() == 0


def test_many_senders_of_a_full_hub_take_no_memory(tmp_path: Path) -> None:
    with hub_on_a_small_disk(tmp_path) as (process, disk):
        fill(disk)
        while process.client.post(incident("first", zone="z" * 400)).status == 200:
            break

        def resident_mib() -> float:
            status = Path(f"/proc/{process.popen.pid}/status").read_text()
            (line,) = [one for one in status.splitlines() if one.startswith("VmRSS")]
            return int(line.split()[1]) / 1024

        sizes = []
        for part in range(3):
            for number in range(300):
                process.client.post(incident(f"i-{part}-{number}", zone="z" * 500))
            sizes.append(resident_mib())
        assert sizes[2] - sizes[1] < 8.0, sizes


def test_a_read_only_disk_is_a_sentence_at_the_start(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    wrap = on_a_small_disk(f"mount -t tmpfs none {disk}; mount -o remount,ro {disk}")
    hub = command(tmp_path, "--database", f"sqlite:///{disk}/hub.db")
    done = subprocess.run([*wrap, *hub], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "Read-only" in done.stderr
    assert "Traceback" not in done.stderr
