"""The serve benchmark on a real Ray: in a few seconds with each test run, in full as a proof.

It runs in a process of its own, as it starts Ray and ends it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.command import cityeye, free_ports

pytestmark = [pytest.mark.integration, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
FEW = """
import sys
from pathlib import Path
from benchmarks.serve import ServeBenchmark, main
few = ServeBenchmark(batch=2, rounds=2, round_s=0.2, api_port=int(sys.argv[2]))
sys.exit(main(Path(sys.argv[1]), few))
"""


def test_a_short_run_reports_both_sides_and_their_ratio(tmp_path: Path) -> None:
    path = tmp_path / "serve.json"
    command = [sys.executable, "-c", FEW, str(path), str(free_ports(1)[0])]
    subprocess.run(command, cwd=ROOT, timeout=300, check=True)
    report = json.loads(path.read_text(encoding="utf-8"))
    assert len(report["rounds"]) == 2
    assert report["bare_fps"] > 0
    assert report["serve_fps"] > 0
    low, high = report["ratio_range"]
    assert 0 < low <= report["ratio"] <= high
    assert report["settings"]["batch"] == 2
    assert report["machine"]["ray"]


@pytest.mark.proof
def test_ray_serve_reaches_most_of_what_a_bare_session_does(tmp_path: Path) -> None:
    done = cityeye("bench", "serve", "--json", "serve.json", folder=tmp_path)
    assert done.status == 0, done.output
    report = json.loads((tmp_path / "serve.json").read_text(encoding="utf-8"))
    assert report["ratio"] > 0.8, report
