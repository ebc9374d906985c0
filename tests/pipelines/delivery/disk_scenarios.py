"""What a worker's delivery does on a disk that takes nothing; see `tests.small_disk`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pipelines.delivery.event_log import OutboxLimits
from pipelines.delivery.outbox import Outbox
from pipelines.delivery.relay import Relay
from pipelines.delivery.spool import Spool, SpoolLimits
from tests import small_disk
from tests.pipelines.delivery.crashing_worker import FAST
from tests.pipelines.delivery.outboxes import Edge, Recorder, life

PATIENCE_S = 30.0
LIMITS = SpoolLimits(min_free_bytes=0)
PHASES = ["started", "updated", "ended"]


def wait(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline_s, "it did not recover"
        time.sleep(0.02)


def edge_in(folder: Path, limits: OutboxLimits | None = None) -> Edge:
    return Edge(folder, Outbox(folder / "outbox.db", limits), Spool(folder / "spool", LIMITS))


@contextlib.contextmanager
def delivering(edge: Edge) -> Iterator[tuple[Relay, Recorder]]:
    sink = Recorder("hub")
    relay = Relay(edge.outbox, edge.spool, edge.store, [sink], blob_grace_s=0.05, retry=FAST)
    relay.start()
    try:
        yield relay, sink
    finally:
        relay.stop()
        edge.close()


def phases(sink: Recorder, incident: str) -> list[str]:
    """Of an incident, in the order of arrival, without those that only revise its keyframes."""
    found = []
    for event in sink.events:
        if event["data"].get("incident_id") == incident and event["data"]["phase"] not in found:
            found.append(event["data"]["phase"])
    return found


def grow(edge: Edge) -> int:
    """Publishes until the outbox, which may have room of its own, takes nothing more."""
    count = 0
    while not edge.outbox.fault:
        count += 1
        assert count < 20_000, "the disk is not full"
        edge.publish(*life(f"during-{count}"), value=None)
    return count


def full(folder: Path) -> None:
    """Everything is on the full disk: outbox, spool and store."""
    edge = edge_in(folder)
    with delivering(edge) as (relay, sink):
        edge.publish(*life("before"))
        wait(lambda: phases(sink, "before") == PHASES)
        filler = small_disk.fill(folder)
        count = grow(edge)
        edge.publish(*life("imaged"))
        assert "full" in edge.outbox.fault
        assert "has 0 bytes left" in edge.spool.fault
        assert edge.recorder.counters.keyframes_missed == 2
        assert edge.outbox.counters.unsaved > 0
        # Acknowledgements cannot be noted for a while.
        time.sleep(2.5)
        filler.unlink()
        wait(lambda: not edge.outbox.counters.unsaved and relay.counters.pending == 0)
        assert not edge.outbox.fault
        edge.publish(*life("after"))
        wait(lambda: phases(sink, "after") == PHASES)
        assert not edge.spool.fault
        for number in range(1, count + 1):
            assert phases(sink, f"during-{number}") == PHASES
        assert phases(sink, "imaged") == PHASES
        assert len(sink.ids) == len(set(sink.ids)), "an event was sent twice"
        assert edge.outbox.counters.lost == 0


def bounded(folder: Path) -> None:
    """Beyond the bound of what waits in memory, losses are counted, the least important first."""
    edge = edge_in(folder, OutboxLimits(max_unsaved=50))
    edge.outbox.deliveries.register(["hub"])
    filler = small_disk.fill(folder)
    grow(edge)
    before = edge.outbox.counters.unsaved
    for number in range(100):
        edge.publish(*life(f"more-{number}"), value=None)
    counters = edge.outbox.counters
    assert counters.unsaved == 50
    assert counters.lost == before + 300 - 50
    filler.unlink()
    edge.outbox.save_unsaved()
    assert edge.outbox.counters.unsaved == 0
    edge.close()


def start_on_full(folder: Path) -> None:
    """A worker starts on a full disk: nothing is there yet, and nothing can be made."""
    filler = small_disk.fill(folder)
    edge = edge_in(folder)
    assert edge.outbox.fault
    with delivering(edge) as (_, sink):
        edge.publish(*life("early"))
        assert edge.outbox.counters.unsaved == 3
        filler.unlink()
        wait(lambda: phases(sink, "early") == PHASES)
        assert not edge.outbox.fault
        edge.publish(*life("later"))
        wait(lambda: phases(sink, "later") == PHASES)


def restart_on_full(folder: Path) -> None:
    """A worker starts again on a full disk: what it kept is there, and goes on."""
    edge = edge_in(folder)
    edge.publish(*life("open")[:1])
    edge.close()
    filler = small_disk.fill(folder)
    edge = edge_in(folder)
    assert edge.outbox.incarnation == 2
    edge.recover()
    with delivering(edge) as (_, sink):
        edge.publish(*life("during"), value=None)
        assert edge.outbox.counters.unsaved == 4
        filler.unlink()
        wait(lambda: phases(sink, "during") == PHASES)
        wait(lambda: phases(sink, "open") == ["started", "ended"])


def read_only(folder: Path) -> None:
    """A worker starts on a disk that is mounted for reading, as after an error of the disk."""
    edge = edge_in(folder)
    edge.publish(*life("open")[:1])
    edge.close()
    small_disk.set_read_only(folder, True)
    edge = edge_in(folder)
    assert edge.outbox.fault
    with delivering(edge) as (_, sink):
        edge.publish(*life("during"))
        assert edge.outbox.counters.unsaved == 3
        assert edge.recorder.counters.keyframes_missed == 2
        small_disk.set_read_only(folder, False)
        wait(lambda: phases(sink, "during") == PHASES)
        assert edge.recover() == 1
        wait(lambda: phases(sink, "open") == ["started", "ended"])
        assert not edge.outbox.fault


def store_full(folder: Path) -> None:
    """The store alone is full: keyframes wait in the spool, events go out, and both are joined."""
    edge = Edge(folder.parent / "worker")
    edge.store = type(edge.store)(folder / "keyframes")
    filler = small_disk.fill(folder)
    with delivering(edge) as (relay, sink):
        edge.publish(*life("imaged"))
        wait(lambda: phases(sink, "imaged") == PHASES)
        assert "No space left" in relay.store_fault
        assert relay.counters.keyframes_pending == 2
        filler.unlink()
        wait(lambda: relay.counters.keyframes_pending == 0 and relay.counters.pending == 0)
        assert not relay.store_fault
        states = [one["state"] for one in sink.events[-1]["data"]["keyframes"]]
        assert states == ["stored", "stored"]
        assert not list(folder.rglob("*.part"))


SCENARIOS: dict[str, object] = {
    "full": full,
    "bounded": bounded,
    "start on full": start_on_full,
    "restart on full": restart_on_full,
    "read-only": read_only,
    "store full": store_full,
}

if __name__ == "__main__":
    small_disk.main(SCENARIOS)
