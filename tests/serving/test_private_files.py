"""What a worker keeps shows persons: whatever the umask, its owner alone can read it."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cityeye.logs import log_to_file
from pipelines.access import TokenFile
from pipelines.delivery.durable import private_folder
from pipelines.delivery.relay import Relay
from pipelines.shadow.comparison_state import ComparisonState, Gallery, save_state
from serving.incarnations import Incarnations
from serving.rollout.rollout import Rollout
from serving.rollout.rollouts import save_rollouts
from serving.worker_upkeep import WorkerUpkeep
from tests.pipelines.delivery.crashing_worker import FAST
from tests.pipelines.delivery.outboxes import Edge, Recorder, life
from tests.processes import open_to_others

ROOT = Path(__file__).parents[2]


def write_everything(state: Path) -> None:
    """Every kind of file that a city keeps under its state folder, in any state of its life."""
    worker = state / "worker-0"
    private_folder(worker)
    (worker / "outbox.db").write_bytes(b"no database")
    log_to_file(worker / "worker.log")
    edge = Edge(worker)
    edge.store = type(edge.store)(state / "keyframes")
    sink = Recorder()
    relay = Relay(edge.outbox, edge.spool, edge.store, [sink], blob_grace_s=0.05, retry=FAST)
    WorkerUpkeep("worker-0", edge.outbox, edge.spool, edge.recorder, relay, dict).round()
    edge.publish(*life("stored")[:2])
    relay.start()
    sink.wait_count(2)
    edge.store.down = True
    edge.publish(*life("spooled")[:1])
    sink.wait_count(3)
    Gallery(worker / "comparisons" / "images", 4).put("disputed.jpg", b"image")
    now = datetime.now(UTC)
    save_state(
        worker / "comparisons" / "a.json",
        ComparisonState("gate", "traffic", "street/1", "street/2", now, now),
    )
    save_rollouts(state, {"street": Rollout(model="street", stable="1")})
    Incarnations(state).next()
    TokenFile(state / "access").prepare()
    # As they lie while a worker runs, and after it was killed.
    os._exit(0)


@pytest.mark.parametrize("umask", [0, 0o022])
def test_only_the_owner_can_read_what_a_city_keeps(tmp_path, umask):
    state = tmp_path / "state"
    subprocess.run(
        [sys.executable, "-c", f"from {__name__} import *; write_everything(Path({str(state)!r}))"],
        cwd=ROOT,
        umask=umask,
        check=True,
        timeout=60,
    )
    names = {one.name.partition(".damaged")[0] for one in state.rglob("*")}
    assert names >= {
        *("outbox.db", "outbox.db-wal", "spool", "worker.log", "keyframes", "comparisons"),
        *("disputed.jpg", "a.json", "rollouts.json", "incarnation.txt", "tokens.json"),
    }
    assert len(list(state.rglob("*.jpg"))) == 3
    assert open_to_others(state) == []


def test_what_an_older_program_left_open_is_closed(tmp_path):
    edge = Edge(tmp_path / "worker-0")
    edge.close()
    (tmp_path / "worker-0" / "spool").chmod(0o755)
    (tmp_path / "worker-0" / "outbox.db").chmod(0o644)
    assert len(open_to_others(tmp_path / "worker-0")) == 2
    edge = Edge(tmp_path / "worker-0")
    edge.publish(*life()[:1])
    edge.close()
    assert open_to_others(tmp_path / "worker-0") == []
