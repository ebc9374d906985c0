"""Conservation under power losses: what was committed is there, whatever of the rest the disk has.

The system calls of a worker are recorded once; then the disk is made as it may be after a loss of
power at any of them, and a worker starts on it.
"""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipelines.delivery.salvage.replacement import set_aside_beside
from tests.levels import scaled
from tests.pipelines.delivery.outboxes import Edge
from tests.pipelines.delivery.power import Call, Disk, record
from tests.pipelines.delivery.test_outbox import drain

LOSSES = scaled(12)
ORACLE = "oracle"


@dataclass
class Recording:
    """The calls of a worker, and a disk that follows them."""

    folder: Path
    calls: list[Call]
    disk: Disk
    at: int = 0
    said: list[list[str]] = field(default_factory=list)

    def go_to(self, at: int) -> None:
        for call in self.calls[self.at : at]:
            self.disk.apply(call)
        self.at = at

    def spoken(self, word: str) -> set[tuple[str, ...]]:
        return {tuple(rest) for first, *rest in self.disk.said if first == word}

    def start_again(self, folder: Path, chance: random.Random) -> Edge:
        """A worker after a power loss at this moment."""
        shutil.rmtree(folder, ignore_errors=True)
        for path, content in self.disk.after_power_loss(chance).items():
            target = folder / Path(path).relative_to(self.folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return Edge(folder)


@pytest.fixture(scope="module", params=["plain", "damaged"])
def recording(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    if shutil.which("strace") is None:
        pytest.skip("strace records the system calls; it is not installed")
    folder = tmp_path_factory.mktemp("recorded") / "worker"
    calls = record("tests.pipelines.delivery.power_writer", folder, request.param)
    if not any(call.name == "fdatasync" for call in calls):
        pytest.skip("strace may not trace here")
    return request.param, folder, calls


@pytest.mark.slow
@pytest.mark.scaled
def test_what_was_committed_survives_a_power_loss(tmp_path, recording):
    way, folder, calls = recording
    chance = random.Random(11)
    run = Recording(folder, calls, Disk(str(folder).encode()))
    committed: set[tuple[str, ...]] = set()
    for at in sorted(chance.sample(range(len(calls)), LOSSES)):
        run.go_to(at)
        edge = run.start_again(tmp_path / "again", chance)
        if way == "plain":
            assert not set_aside_beside(edge.outbox.file.path), "a power loss is no damage"
        edge.outbox.deliveries.register([ORACLE])
        edge.recover()
        events = drain(edge, ORACLE)
        committed = run.spoken("committed")
        check(edge, events, committed, run.spoken("tried"))
        edge.close()
    assert len(committed) > 50, "hardly anything was committed: a weak test"


def check(
    edge: Edge,
    events: list[dict[str, Any]],
    committed: set[tuple[str, ...]],
    tried: set[tuple[str, ...]],
) -> None:
    ours = [event for event in events if event["data"].get("end_reason") != "recovered"]
    arrived = {(one["data"]["incident_id"], one["data"]["phase"]) for one in ours}
    assert committed <= arrived, "lost"
    # Beside them there are revisions with keyframes, which repeat a phase.
    assert {name for name, _ in arrived} <= {name for name, *_ in tried}, "a phantom"
    last: dict[str, str] = {}
    for event in events:
        assert event["sequence"] > last.get(event["partitionkey"], ""), "out of order"
        last[event["partitionkey"]] = event["sequence"]
    while (blob := edge.outbox.next_blob()) is not None:
        if blob.name in edge.spool.names():
            assert edge.spool.read(blob.name, blob.sha256)
        else:
            # It was stored, and the machine went down before that was noted.
            assert edge.store.exists(blob.key), "an image of a committed event is gone"
        edge.outbox.blob_stored(blob.key)
