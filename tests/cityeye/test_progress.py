"""The terminal follows workers that answer; of all others it says that nothing is known.

And who gets a link into the console."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from cityeye import progress as progress_module
from cityeye.entrances import show_console
from cityeye.progress import Progress, report
from pipelines.access import TokenFile
from pipelines.delivery.sink_state import SinkState
from pipelines.load import PriorityLoad
from serving.api.health import health_answer
from serving.api.metrics import CityFacts, exposition
from serving.worker_state import WorkerState, loads_of
from tests.serving.workers import FULL, worker_state

HALF = PriorityLoad(10.0, 5.0, 5.0)
AGAIN = "all that is asked for is given again"


class Terminal(Progress):
    """Progress with what it has printed."""

    def __init__(self, incidents: Mapping[str, int] | None = None) -> None:
        self.file = io.StringIO()
        super().__init__(Console(file=self.file, width=200), incidents=incidents)

    @property
    def text(self) -> str:
        return self.file.getvalue()


def test_an_overload_is_said_when_it_begins_and_when_it_ends() -> None:
    terminal = Terminal()
    for load in (FULL, HALF, HALF, FULL):
        terminal.observe([worker_state(loads={"normal": load})])
    said = "tasks of normal priority are given 50% of what they ask for"
    assert terminal.text.count(said) == 1
    assert terminal.text.count(AGAIN) == 1


def test_a_worker_that_falls_silent_has_no_load_and_does_not_end_an_overload() -> None:
    terminal = Terminal()
    terminal.observe([worker_state(loads={"normal": HALF})])
    silent = worker_state(loads={"normal": HALF}, alive=False)
    assert loads_of([silent]) == {}
    terminal.observe([silent])
    assert AGAIN not in terminal.text


def test_cameras_of_a_worker_that_falls_silent_are_unknown_once_and_then_online_again() -> None:
    terminal = Terminal()
    terminal.observe([worker_state("gate", "yard")])
    for silent_s in (6.0, 7.0, 8.0):
        terminal.observe([worker_state("gate", "yard", silent_s=silent_s, alive=False)])
    terminal.observe([worker_state("gate", "yard", restarts=1)])
    for camera in ("gate", "yard"):
        unknown = f"camera {camera} is unknown: worker-0 has not answered for 6 s"
        assert terminal.text.count(unknown) == 1
        assert terminal.text.count(f"camera {camera} is unknown") == 1
        assert terminal.text.count(f"camera {camera} is online") == 2


def test_a_worker_that_cannot_start_again_has_its_cameras_named_with_the_reason() -> None:
    terminal = Terminal()
    terminal.observe(
        [worker_state("gate", answered=False, restarts=1, problem="died: no such file")]
    )
    assert "worker-0 was replaced (replacements so far: 1): died: no such file" in terminal.text
    assert "camera gate is unknown: worker-0 was replaced and does not" in terminal.text


def test_a_worker_that_has_not_started_yet_is_not_called_silent() -> None:
    terminal = Terminal()
    terminal.observe([worker_state("gate", answered=False, silent_s=3.0, alive=False)])
    assert terminal.text == ""


def test_the_summary_counts_no_camera_of_a_silent_worker_as_online() -> None:
    well, silent = worker_state("gate"), worker_state("yard", "roof", silent_s=9.0)
    said = Terminal().summary
    assert said([well]).startswith("1 of 1 cameras online, throughput 10.0 of 10.0 images/s")
    assert said([well, silent]).startswith("1 of 3 cameras online (2 unknown), throughput 10.0")


def test_a_degraded_camera_is_not_online_and_terminal_health_and_metrics_say_so_alike() -> None:
    some = worker_state("gate", "yard", degraded={"yard": "the view is covered"})
    silent = worker_state("roof", silent_s=9.0)
    said = Terminal().summary([some, silent])
    assert said.startswith("1 of 3 cameras online (1 degraded, 1 unknown), throughput")
    health = health_answer([some, silent], (), (), {})
    assert (health.cameras_online, health.cameras_degraded, health.cameras_unknown) == (1, 1, 1)
    metrics = exposition(CityFacts([some, silent]))
    for state in ("online", "degraded", "unknown"):
        assert f'cityeye_cameras{{state="{state}"}} 1' in metrics.decode()


def test_a_summary_without_a_director_has_no_figures(monkeypatch) -> None:
    monkeypatch.setattr(progress_module, "SUMMARY_EVERY_S", 0.0)
    terminal = Terminal()
    terminal.unknown("the director has not answered for 6 s")
    said = "nothing is known of any camera: the director has not answered for 6 s"
    assert said in terminal.text
    assert "online" not in terminal.text


def test_a_part_that_is_away_is_said_once_and_so_is_its_return() -> None:
    terminal = Terminal()
    for problem in ("", "the event hub is away: it ended", "the event hub is away: still", "", ""):
        terminal.away("the event hub", problem)
    assert terminal.text.count("the event hub is away") == 1
    assert terminal.text.count("the event hub is back after 0 s") == 1


def test_what_is_wrong_with_a_part_is_said_once_however_its_figures_change() -> None:
    terminal = Terminal()
    for problems in ((), ("7 bytes too much", "no disk"), ("8 bytes too much",), (), ()):
        terminal.troubled("the event hub", problems)
    assert terminal.text.count("the event hub: 7 bytes too much") == 1
    assert "8 bytes" not in terminal.text
    assert terminal.text.count("the event hub: no disk") == 1
    assert terminal.text.count("the event hub: nothing is wrong any more") == 1


def test_the_report_keeps_what_was_measured_however_long_ago() -> None:
    found = report([worker_state("gate", silent_s=60.0)], {"traffic.congestion": 3})
    assert found["cameras"]["gate"]["analysed"] == 40
    assert found["incidents"] == {"traffic.congestion": 3}


def test_incidents_are_counted_over_the_whole_run_whoever_is_replaced() -> None:
    def worker(incarnation: int, **counts: int) -> WorkerState:
        incidents = {camera: {"crowding.crowd": n} for camera, n in counts.items() if n}
        return worker_state(*counts, incidents=incidents, incarnation=incarnation)

    terminal = Terminal()
    terminal.observe([worker(1, gate=2, yard=0)])
    terminal.observe([worker(1, gate=2, yard=1)])
    assert terminal.text.count("incident crowding.crowd at camera gate") == 2
    assert terminal.text.count("incident crowding.crowd at camera yard") == 1
    # A replaced worker counts from zero, and so does one of a city that was started again.
    terminal.observe([worker(2, gate=0, yard=0)])
    assert "3 incidents since the start" in terminal.summary([worker(2, gate=0, yard=0)])
    terminal.observe([worker(2, gate=1, yard=0)])
    assert terminal.text.count("incident crowding.crowd at camera gate") == 3
    later = Terminal(terminal.incidents)
    assert "4 incidents since the start" in later.summary([worker(3, gate=0)])
    later.count([worker(3, gate=1)])
    assert later.incidents == {"crowding.crowd": 5}
    # A camera that is opened anew in a worker that lives counts anew too.
    later.count([worker(3, gate=0)])
    later.count([worker(3, gate=1)])
    assert later.incidents == {"crowding.crowd": 6}


@pytest.mark.parametrize("terminal", [True, False])
def test_only_a_person_at_a_terminal_gets_a_link_into_the_console(
    tmp_path: Path, terminal: bool
) -> None:
    tokens = TokenFile(tmp_path / "access")
    tokens.prepare()
    output = io.StringIO()
    console = Console(file=output, width=200, force_terminal=terminal, color_system=None)
    show_console("http://127.0.0.1:8600", tokens, Progress(console))
    said = output.getvalue()
    assert "console: http://127.0.0.1:8600/" in said
    links = re.findall(r"/enter\?token=(cye_\S+)", said)
    assert len(links) == terminal
    for link in links:
        assert tokens.exchange(link, "session", timedelta(hours=1))


def test_a_sink_that_takes_no_events_is_said_once_and_when_it_is_back() -> None:
    since = datetime.now(UTC) - timedelta(seconds=10)
    away = SinkState("hub", 7, 3, 2, 0, 0, "answered 401: check its URL and its token", since)
    terminal = Terminal()
    for _ in range(3):
        terminal.observe([worker_state("gate", sinks=(away,))])
    assert terminal.text.count("sink hub takes no events since") == 1
    terminal.observe([worker_state("gate", sinks=(SinkState("hub", 9),))])
    assert "sink hub is back after" in terminal.text
    blip = replace(away, name="city", since=datetime.now(UTC))
    terminal.observe([worker_state("gate", sinks=(blip,))])
    assert "sink city" not in terminal.text


def test_events_that_a_sink_refused_are_said() -> None:
    terminal = Terminal()
    for dead in (0, 1, 1, 2):
        terminal.observe([worker_state("gate", sinks=(SinkState("hub", dead=dead),))])
    assert terminal.text.count("sink hub refused events: see `cityeye events dead`") == 2
    assert ", events that wait: 2, 0 incidents" in Terminal().summary([worker_state("gate")])
