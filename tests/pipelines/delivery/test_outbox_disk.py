"""A disk that takes nothing more: capture goes on, all is counted, and what can be saved is saved.

The limits are the operating system's (`RLIMIT_FSIZE`), so they are set in a process of their own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.delivery.event_log import OutboxLimits
from pipelines.delivery.outbox import Outbox
from pipelines.delivery.sinks.sink import Delivery
from pipelines.errors import OutboxUnavailable
from tests.pipelines.delivery.outboxes import Edge, Recorder, life

ROOT = Path(__file__).parents[3]

SCRIPT = """
import json, resource, sys
from pathlib import Path
from pipelines.delivery.outbox import Outbox
from tests.pipelines.delivery.outboxes import Edge, life

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

edge = Edge(Path(sys.argv[1]))
edge.outbox.deliveries.register(["recorder"])
edge.publish(*life("before"))
limit(int(sys.argv[2]))
edge.publish(*life("during", updates=4))
during = edge.outbox.counters.unsaved
limit(resource.RLIM_INFINITY)
edge.outbox.save_unsaved()
saved = edge.outbox.counters.unsaved
limit(int(sys.argv[2]))
edge.publish(*life("again", updates=0))
limit(resource.RLIM_INFINITY)
edge.publish(*life("after"))
counters = edge.outbox.counters
print(json.dumps({
    "during": during,
    "saved": saved,
    "unsaved": counters.unsaved,
    "missed": edge.recorder.counters.keyframes_missed,
    "lost": counters.lost,
}))
edge.close()
"""


def run(folder: Path, limit_bytes: int) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), str(limit_bytes)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures: dict[str, int] = json.loads(done.stdout)
    return figures


def arrived(folder: Path) -> list[str]:
    edge = Edge(folder)
    edge.recover()
    sink = Recorder()
    deliveries = edge.outbox.deliveries
    deliveries.register([sink.name])
    events = []
    while isinstance(delivery := deliveries.next(sink.name, "gate", 0.0), Delivery):
        event = json.loads(delivery.body)["data"]
        events.append(f"{event['incident_id']}.{event['phase']}")
        deliveries.acknowledge(sink.name, delivery)
    edge.close()
    return events


def test_events_wait_in_memory_while_the_disk_is_full(tmp_path):
    figures = run(tmp_path, 4096)
    assert figures == {"during": 6, "saved": 0, "unsaved": 0, "missed": 0, "lost": 0}
    assert arrived(tmp_path) == [
        "before.started",
        "before.updated",
        "before.ended",
        "during.started",
        *["during.updated"] * 4,
        "during.ended",
        "again.started",
        "again.ended",
        "after.started",
        "after.updated",
        "after.ended",
    ]


def test_images_are_missed_and_counted_while_the_disk_is_full(tmp_path):
    figures = run(tmp_path, 16)
    assert figures == {"during": 6, "saved": 0, "unsaved": 0, "missed": 4, "lost": 0}
    assert len(arrived(tmp_path)) == 14
    assert not list((tmp_path / "spool").glob("*.part"))


def test_memory_is_bounded_while_the_disk_is_full(tmp_path):
    limits = OutboxLimits(max_unsaved=5)
    edge = Edge(tmp_path, Outbox(tmp_path / "outbox.db", limits))
    edge.close()  # From here on the file takes nothing.
    for number in range(4):
        edge.publish(*life(f"i-{number}"))
    counters = edge.outbox.counters
    assert (counters.unsaved, counters.lost) == (5, 7)
    with pytest.raises(OutboxUnavailable):
        edge.recover()
