"""The page for an order says what results say, and calls the rest not measured."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.report import (
    OrderTerms,
    report_markdown,
    report_page,
    reported,
    stored_reportable,
)
from benchmarks.result import Metric, ResultTable, read_result
from benchmarks.street_report import COLUMNS
from cityeye.cli import main
from tests.benchmarks.results import result, speed

AT = datetime(2026, 3, 2, tzinfo=UTC)
SETTINGS = {
    "camera_size": "1280x720", "camera_fps": 12.5, "fps": 5.0, "package": "traffic/1",
}  # fmt: skip


def probe(contestant, cameras, p95, cores, level):
    values = dict.fromkeys(COLUMNS, 0.0) | {
        "age p50 ms": p95 / 3, "p95 ms": p95, "cores": cores, "server cores": 0.05,
    }  # fmt: skip
    return (1, contestant, cameras, *(values[name] for name in COLUMNS), level)


def streams(*more, rows=None, **changed):
    table = ResultTable(
        title="Every probe",
        columns=("round", "contestant", "cameras", *COLUMNS, "level"),
        rows=rows
        or (
            probe("cityeye", 8, 20.0, 0.5, "met"),
            probe("cityeye", 35, 90.0, 1.8, "met"),
            probe("cityeye", 36, 500.0, 1.9, "missed"),
            probe("loop", 40, 300.0, 1.9, "met"),
        ),
    )
    cameras = Metric(
        name="streams.cameras[cityeye]", unit="cameras", better="higher", samples=(35.0, 36.0)
    )
    given = {"benchmark": "streams", "settings": SETTINGS, "tables": (table,)}
    return result(cameras, *more, **{**given, **changed})


def test_the_largest_number_that_met_the_level_is_reported():
    one = reported(streams(), "mine.json", OrderTerms(price=7000.0))
    (carried,) = one.carried
    assert carried.cameras == 35
    assert carried.kind == "1280x720 at 12.5 images/s, 5 inferences/s each of traffic/1"
    assert carried.latency == "median 30 ms, p95 90 ms"
    assert carried.bottleneck == "processor, 92% busy"
    assert carried.watts == "not measured"
    assert carried.watts_each is None
    assert carried.price_each == pytest.approx(200.0)
    assert one.source == "cityeye bench streams, 2026-03-01, commit 0123456789ab, mine.json"


def test_a_limit_that_nothing_explains_is_not_explained():
    rows = (probe("cityeye", 4, 90.0, 0.6, "met"),)
    (carried,) = reported(streams(rows=rows), "x", OrderTerms()).carried
    assert carried.bottleneck == "not known: the processor was 32% busy"


def test_watts_are_those_of_the_run_or_of_the_socket():
    own = Metric(name="streams.watts[cityeye]", unit="W", better="lower", samples=(70.0,))
    (carried,) = reported(streams(own), "x", OrderTerms()).carried
    assert carried.watts == "70 W (processor by RAPL)"
    assert carried.watts_each == pytest.approx(2.0)
    (carried,) = reported(streams(own), "x", OrderTerms(watts=105.0)).carried
    assert (carried.watts, carried.watts_each) == ("105 W (as given)", 3.0)


@pytest.mark.parametrize(
    ("name", "gpu", "cameras", "watts"),
    [
        ("gpu-h100.json", "NVIDIA H100 80GB HBM3", [154, 250], "175 W (GPU at most by its driver)"),
        ("gpu-h200.json", "NVIDIA H200", [152, 177], "not measured"),
    ],
)
def test_a_stored_gpu_has_both_codecs(name, gpu, cameras, watts):
    paths = {path.name: path for path in stored_reportable()}
    one = reported(read_result(paths[name]), name, OrderTerms(price=30000.0))
    assert one.name == gpu
    assert [carried.cameras for carried in one.carried] == cameras
    assert "decode engines (busy: engines 100%" in one.carried[0].bottleneck
    assert one.carried[0].watts == watts
    assert "One round" in one.notes[0], "cameras are searched once"


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (result(), "bench detect`, which does not say how many cameras"),
        (streams(rows=(probe("cityeye", 1, 900.0, 1.9, "missed"),)), "no run with cameras"),
    ],
)
def test_a_result_about_no_cameras_is_refused(given, what):
    with pytest.raises(BenchmarkError, match=what):
        reported(given, "mine.json", OrderTerms())


def test_both_pages_have_every_number_and_escape_what_they_are_given():
    own = speed(name="streams.watts[cityeye]", samples=(70.0,))
    one = reported(streams(own), "<mine>.json", OrderTerms(price=7000.0))
    page = report_page([one], OrderTerms(price=7000.0), AT)
    text = report_markdown([one], OrderTerms(price=7000.0), AT)
    for number in ("35", "median 30 ms, p95 90 ms", "processor, 92% busy", "200.00", "70 W"):
        assert number in page
        assert number in text
    assert "&lt;mine&gt;.json" in page
    assert "<mine>.json" in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1
    assert len(lines) == 7


def test_the_command_writes_the_page_and_prints_it(tmp_path, capsys):
    streams().write(tmp_path / "mine.json")
    page = tmp_path / "order.html"
    given = [str(tmp_path / "mine.json"), "--price", "3500", "--html", str(page)]
    assert main(["bench", "report", *given]) == 0
    assert "| Cost per camera | 100.00 (machine: 3500.00) |" in capsys.readouterr().out
    assert page.read_text("utf-8").count("<section>") == 1


def test_one_price_is_not_that_of_two_machines(tmp_path, capsys):
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    for file in files:
        streams().write(file)
    assert main(["bench", "report", *map(str, files), "--price", "3500"]) == 1
    assert "give one result" in capsys.readouterr().err
