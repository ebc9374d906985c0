"""`cityeye chaos`: a short run keeps every promise; long ones are made by hand.

The long proof runs a whole schedule of three seeds, a part at a time: each part is a run of its
own, with its own city and its own comparison. Results are kept in `.proofs`, and a proof that was
cut short goes on after them; remove the files to measure anew.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.chaos.campaign import ChaosOptions
from benchmarks.result import read_result
from tests.e2e.command import cityeye
from tests.pipelines.delivery.mosquitto import require_mosquitto

pytestmark = [pytest.mark.e2e, pytest.mark.ray]

KINDS = (
    "kill -9 worker",
    "kill -9 hub",
    "camera is off",
    "receiver: lose answer",
    "store: cut",
)
SEEDS = (1, 2, 3)
PART = 20
PARTS = -(-len(ChaosOptions().schedule()) // PART)
FOLDER = Path(__file__).parents[2] / ".proofs"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_short_run_keeps_every_promise(tmp_path: Path) -> None:
    require_mosquitto()
    kinds = [argument for kind in KINDS for argument in ("--kind", kind)]
    result = tmp_path / "chaos.json"
    done = cityeye(
        "chaos", "--seed", "7", "--least", "1", *kinds, "--json", str(result), folder=tmp_path
    )
    assert done.status == 0, done.output
    titles = {table.title: table for table in read_result(result).tables}
    faults = titles["Faults"]
    assert {row[0] for row in faults.rows} == set(KINDS)
    assert {row[1] for row in faults.rows} == {1}
    sinks = titles["What had to arrive, by sink"]
    assert {row[0] for row in sinks.rows} == {"steady", "moody", "mqtt", "kafka", "hub"}
    checked = {row[0]: row[1] for row in titles["Checked besides"].rows}
    assert int(checked["keyframes read"]) > 0, "no keyframe link was followed"
    counts = {row[0]: (int(row[1]), int(row[2])) for row in sinks.rows}
    assert all(committed > 0 for committed, _ in counts.values()), "there was nothing to compare"
    committed, arrived = counts["moody"]
    assert arrived > committed, "an answer was lost, so an event came twice"


@pytest.mark.proof
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_kind_of_fault_leaves_every_promise_kept(
    part: int, seed: int, tmp_path: Path
) -> None:
    FOLDER.mkdir(exist_ok=True)
    kept = FOLDER / f"chaos-{seed}-{part}.json"
    if not kept.exists():
        cityeye(
            "chaos", "--seed", str(seed), "--first", str(PART * part), "--faults", str(PART),
            "--json", str(kept), folder=tmp_path, timeout_s=3500.0,
        )  # fmt: skip
    titles = {table.title: table for table in read_result(kept).tables}
    assert "Not reached" not in titles
    broken = titles.get("Promises broken")
    assert broken is None, "\n".join(str(row[0]) for row in broken.rows)
