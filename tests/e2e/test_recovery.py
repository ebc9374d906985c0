"""Every process of a city, killed and stopped, five times each: how long until it is well again.

Rows are kept in `.proofs/recovery.jsonl`, also of a run that is cut short; see `recovery`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.camera_adapters.clips import TinyClip
from tests.e2e.recovery import (
    FAULTS,
    MAIN,
    WATCHDOG_S,
    Row,
    append,
    open_manager,
    suffer,
)
from tests.e2e.supervised import PROCESSES, SupervisedCity

pytestmark = [pytest.mark.e2e, pytest.mark.ray, pytest.mark.proof, pytest.mark.timeout(600)]

TIMES = 5
BACK_S = 90.0
FROZEN_BACK_S = 45.0 + BACK_S
PROXY_S = 30.0
REPLICA_S = 15.0
FALSE_S = 15.0
FILE = Path(__file__).parents[2] / ".proofs" / "recovery.jsonl"
LIMITS = {
    ("proxy", "kill -9"): PROXY_S,
    ("controller", "kill -9"): PROXY_S,
    ("replica", "kill -9"): REPLICA_S,
}


@pytest.fixture
def row(request, tmp_path: Path, tiny_clip: TinyClip) -> Row:
    process, fault = request.param
    address = str(tmp_path / "n")
    with open_manager(address) as manager:
        city = SupervisedCity(
            tmp_path,
            tiny_clip.path,
            "ray_serve",
            NOTIFY_SOCKET=address,
            WATCHDOG_USEC=str(int(WATCHDOG_S * 1e6)),
        )
        try:
            city.wait_until(city.is_well)
            found = suffer(city, process, fault, manager)
        finally:
            city.stop()
    FILE.parent.mkdir(exist_ok=True)
    append(FILE, found)
    return found


@pytest.mark.parametrize("time", range(TIMES))
@pytest.mark.parametrize(
    "row",
    [(process, fault) for process in (*PROCESSES, MAIN) for fault in FAULTS],
    ids="-".join,
    indirect=True,
)
def test_the_city_is_well_again_or_has_ended(row: Row, time: int) -> None:
    assert not row.left
    assert all(seconds <= FALSE_S for seconds in row.false_s.values()), row.said
    if row.recovered_s is None:
        assert row.status not in (None, 0), row.said
        assert row.process == MAIN, row.said
        return
    slow = BACK_S if row.fault == "kill -9" else FROZEN_BACK_S
    assert row.recovered_s <= LIMITS.get((row.process, row.fault), slow), row.said
