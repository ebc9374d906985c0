"""The serve benchmark on a real Ray: in a few seconds with each test run, in full as a proof."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.serve import ServeBenchmark, main

pytestmark = [pytest.mark.integration, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(300)]

FEW = ServeBenchmark(batch=2, rounds=2, round_s=0.2)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_short_run_reports_both_sides_and_their_ratio(tmp_path: Path) -> None:
    path = tmp_path / "serve.json"
    assert main(path, replace(FEW, api_port=free_port())) == 0
    report = json.loads(path.read_text(encoding="utf-8"))
    assert len(report["rounds"]) == 2
    assert report["bare_fps"] > 0
    assert report["serve_fps"] > 0
    low, high = report["ratio_range"]
    assert 0 < low <= report["ratio"] <= high
    assert report["settings"]["batch"] == 2
    assert report["machine"]["ray"]


@pytest.mark.proof
def test_ray_serve_costs_less_than_a_tenth(tmp_path: Path) -> None:
    path = tmp_path / "serve.json"
    assert main(path) == 0
    report = json.loads(path.read_text(encoding="utf-8"))
    assert report["ratio"] > 0.9, report
