"""The recorded path of a frame is the one that the architecture page shows, and is as short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.trace import INCIDENT, OPENING, OURS, QUIET, Trace, counts, describe, trace

pytestmark = [pytest.mark.integration, pytest.mark.ray, pytest.mark.slow]

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"


@pytest.fixture(scope="module")
def recorded() -> Trace:
    """One run over RTSP, from the opening of the camera to a delivered incident."""
    return trace()


def rows() -> list[list[str]]:
    """The tables of the section about one frame: cells by row."""
    section = PAGE.read_text(encoding="utf-8").split("\n## One frame\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def steps() -> list[list[str]]:
    """The functions of each step, in the order of the page."""
    return [re.findall(r"`([\w.]+)`", row[3]) for row in rows() if row[0].isdigit()]


def test_named_functions_of_ours_count_once_and_nothing_else_does(recorded: Trace) -> None:
    for functions in recorded.values():
        assert len({function.dotted for function in functions}) == len(functions)
        assert {function.file.split("/")[0] for function in functions} <= set(OURS)
        assert not [one for one in functions if one.name.endswith(">")]
    assert not [one for one in recorded[QUIET] if one.thread.startswith("relay")]
    # By name: what several threads call belongs to the one that came first.
    names = {title: {one.dotted for one in functions} for title, functions in recorded.items()}
    assert names[QUIET] <= names[INCIDENT] | names[OPENING]
    assert "camera_adapters.factory.open_source" in {one.dotted for one in recorded[OPENING]}


def test_the_page_shows_the_steps_in_the_order_of_a_recorded_run(recorded: Trace) -> None:
    assert len(steps()) == 15
    assert all(steps()), "every step names a function"
    on_page = [name for step in steps() for name in step]
    called = [function.dotted for function in recorded[INCIDENT]]
    assert [name for name in called if name in on_page] == on_page, describe(recorded)


def test_only_the_steps_of_an_incident_are_missing_where_nothing_happens(recorded: Trace) -> None:
    called = {function.dotted for function in recorded[QUIET]}
    passed = [number for number, step in enumerate(steps(), start=1) if called.issuperset(step)]
    assert passed == list(range(1, 10)), describe(recorded)


def test_the_page_names_the_thread_of_each_step(recorded: Trace) -> None:
    threads = {function.dotted: function.thread for function in recorded[INCIDENT]}
    for row in rows():
        if row[0].isdigit():
            for name in re.findall(r"`([\w.]+)`", row[3]):
                assert threads[name].startswith(row[1]), f"{name} runs on {threads[name]}"


def test_a_frame_passes_no_more_functions_and_files_than_the_page_allows(recorded: Trace) -> None:
    limits = {row[0]: (int(row[1]), int(row[2])) for row in rows() if row[1].isdigit()}
    assert set(limits) == {QUIET, INCIDENT}
    for title, (functions, files) in limits.items():
        count, count_files = counts(recorded[title])
        assert count <= functions, describe(recorded)
        assert count_files <= files, describe(recorded)
