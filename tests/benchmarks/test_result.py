"""Results: written and read again, shown, drawn, and on the page that keeps them."""

from __future__ import annotations

import builtins
import io
from pathlib import Path

import pytest
from pydantic import ValidationError
from rich.console import Console

from benchmarks.errors import BenchmarkError
from benchmarks.machine import LoadBefore
from benchmarks.output import Outputs, publish, show
from benchmarks.plot import WITHOUT_LIBRARY, draw
from benchmarks.result import (
    BenchmarkResult,
    Metric,
    Quantity,
    RunStart,
    cell_text,
    metrics_of,
    read_result,
)
from benchmarks.results_page import RESULTS, results_page
from benchmarks.rounds import interleave
from tests.benchmarks.results import GPU, MACHINE, QUIET, result

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
HEADING = "## Results\n\n"


def test_a_result_is_the_same_after_it_was_written_and_read(tmp_path):
    result().write(tmp_path / "one.json")
    assert read_result(tmp_path / "one.json") == result()


def test_a_run_notes_the_machine_and_the_load_before_it():
    start = RunStart(machine=MACHINE, load=QUIET)
    measured = start.result("decode", {"rounds": 1}, result().metrics, result().tables)
    assert (measured.machine, measured.load_before) == (MACHINE, QUIET)
    assert measured.started_at == start.at
    assert measured.took_s >= 0
    assert measured.plot is None


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"layout": 2}'])
def test_what_is_no_result_is_refused_in_a_sentence(tmp_path, content):
    path = tmp_path / "odd.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(BenchmarkError, match=r"odd\.json is no benchmark result"):
        read_result(path)


def test_a_missing_result_is_named(tmp_path):
    with pytest.raises(BenchmarkError, match=r"none\.json cannot be read"):
        read_result(tmp_path / "none.json")


def test_a_metric_has_a_sample():
    with pytest.raises(ValidationError):
        Metric(name="x", unit="", better="higher", samples=())


def test_metrics_are_named_after_contestants_and_keep_the_rounds():
    numbers = iter((1.0, 2.0))
    rounds = interleave({"a": lambda: {"x": next(numbers), "y": 0.0}}, 2)
    (metric,) = metrics_of(rounds, [Quantity("x", "ms", "lower")], {"a": "batch=1"})
    assert metric == Metric(name="x[batch=1]", unit="ms", better="lower", samples=(1.0, 2.0))
    assert result(metric).metric("x[batch=1]").median == 1.5


@pytest.mark.parametrize(
    ("cell", "text"), [(1234.6, "1235"), (12.345, "12.3"), (0.0123, "0.0123"), (8, "8"), ("x", "x")]
)
def test_cells_show_the_digits_that_mean_something(cell, text):
    assert cell_text(cell) == text


def test_tables_are_printed_and_a_busy_machine_is_said():
    console = Console(width=120, markup=False, file=io.StringIO())
    busy = LoadBefore(load_average=3.0, busy=0.5, stolen=0.0)
    show(result(load=busy, machine=MACHINE.model_copy(update={"gpus": (GPU,)})), console)
    text = console.file.getvalue()
    for part in ("Abacus 3000", "Testla", "busy before the run: 50%", "images/s", "1234"):
        assert part in text


@pytest.mark.parametrize("name", ["plot.png", "plot.SVG"])
def test_a_plot_is_drawn(tmp_path, name):
    pytest.importorskip("matplotlib")
    assert draw(result(), tmp_path / name) == ""
    content = (tmp_path / name).read_bytes()
    assert content.startswith(b"\x89PNG") if name.endswith("png") else b"<svg" in content


def test_a_result_without_a_plot_says_so(tmp_path):
    assert "detect has none" in draw(result(plot=None), tmp_path / "plot.png")
    assert not list(tmp_path.iterdir())


def test_without_the_library_the_rest_is_written(tmp_path, monkeypatch, capsys):
    real = builtins.__import__

    def without_matplotlib(name, *rest):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_matplotlib)
    publish(result(), Outputs(tmp_path / "one.json", tmp_path / "one.png"))
    assert read_result(tmp_path / "one.json") == result()
    assert not (tmp_path / "one.png").exists()
    assert WITHOUT_LIBRARY in capsys.readouterr().err


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        (Outputs(json=Path("no/such/one.json")), "no folder"),
        (Outputs(plot=Path("one.pdf")), r"\.svg"),
    ],
)
def test_a_long_run_does_not_start_when_its_result_could_not_be_written(outputs, reason):
    with pytest.raises(BenchmarkError, match=reason):
        outputs.check()


def test_markdown_has_the_machine_the_load_and_every_row(tmp_path):
    result().write(tmp_path / "quiet-machine.json")
    text = results_page([tmp_path / "quiet-machine.json"])
    for part in (
        "### quiet-machine\n",
        "Abacus 3000",
        "2% of the cores were busy",
        "rounds 7",
        "| decoder | images/s | ratio |\n| --- | --- | --- |\n",
        "| a\\|b | 100 | 0.988 |",
    ):
        assert part in text


def test_the_page_shows_the_stored_results():
    assert HEADING in PAGE
    assert PAGE.partition(HEADING)[2] == results_page()


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_stored_results_are_of_real_machines(path):
    stored = read_result(path)
    assert isinstance(stored, BenchmarkResult)
    assert stored.machine.cpu
    assert stored.machine.commit
    # What rules report of a clip is the same each time, however busy the machine is.
    if stored.benchmark == "incidents":
        return
    assert stored.load_before.busy < 0.5
    assert all(len(one.samples) >= 5 for one in stored.metrics)
