"""The parts of the profile: hooks, clocks, samples, and the account of them."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.pipeline import PipelineBenchmark, run
from benchmarks.processes import HUB, REPLICAS, WORKERS
from benchmarks.profiling.account import ProfileWindow, WorkerTotals, own_cpu_ms, totals
from benchmarks.profiling.hooks import (
    ALL_HOOKS,
    DECODE,
    DEMUX,
    RUN,
    TRACKER,
    Hook,
    Hooks,
    MissingHookError,
)
from benchmarks.profiling.recorder import ProfileLine, ProfileMode, record_profile
from benchmarks.profiling.sampler import Sampler
from benchmarks.profiling.stages import StageClocks
from benchmarks.profiling.thread_clocks import ThreadClocks, group_of_threads
from serving.thread_clock import thread_cpu_s

PAUSE_S = 0.05
HERE = "tests.benchmarks.test_profiling"


class Work:
    """Something to put clocks around."""

    def outer(self, fails=False):
        self.inner()
        if fails:
            raise ValueError("as asked")
        return "done"

    def inner(self):
        time.sleep(PAUSE_S)


def burn(until):
    while not until.is_set():
        sum(range(1000))


def line(mode: ProfileMode, from_s: float, **given) -> ProfileLine:
    values = {
        "to_s": from_s + 1.0,
        "cpu_s": 0.5,
        "threads": {"camera-*": 0.2, "slot-*": 0.25},
        "inferred": 50,
        "batches": 25,
        "images": 50,
        "run_cpu_s": 0.1,
        "run_s": 0.2,
        "queue_s": 0.0,
        "stages": (),
        "samples": 0,
        "running": (),
        "waiting": (),
    }
    return ProfileLine.model_validate({"mode": mode, "from_s": from_s} | values | given)


@pytest.mark.parametrize("hook", ALL_HOOKS, ids=lambda hook: hook.name)
def test_every_hook_names_a_function_that_is_there(hook):
    owner, name = hook.owner()
    assert callable(getattr(owner, name))


@pytest.mark.parametrize(("module", "name"), [(HERE, "Work.gone"), ("no.such", "Work.inner")])
def test_a_missing_hook_says_which_function_is_missing(module, name):
    with pytest.raises(MissingHookError, match=rf"'tracker'.*{module}.*{name}"):
        Hook(TRACKER, module, name).owner()


def test_no_city_is_started_when_a_function_is_missing(monkeypatch):
    monkeypatch.setattr("benchmarks.profiling.hooks.ALL_HOOKS", (Hook("x", HERE, "Work.gone"),))
    with pytest.raises(BenchmarkError, match=r"Work\.gone"):
        run(PipelineBenchmark(None, {}, ("in_process",)), print)


def test_no_hook_is_installed_when_one_is_missing(monkeypatch):
    table = (Hook("inner", HERE, "Work.inner"), Hook("gone", HERE, "Work.gone"))
    monkeypatch.setattr("benchmarks.profiling.hooks.HOOKS", table)
    before, hooks = Work.inner, Hooks(StageClocks())
    with pytest.raises(MissingHookError):
        hooks.install()
    assert Work.inner is before
    assert not hooks.installed


def test_hooks_time_what_they_name_until_they_are_removed(monkeypatch):
    table = (Hook("outer", HERE, "Work.outer"), Hook("inner", HERE, "Work.inner"))
    monkeypatch.setattr("benchmarks.profiling.hooks.HOOKS", table)
    before, clocks = (Work.outer, Work.inner), StageClocks()
    hooks = Hooks(clocks)
    hooks.install()
    hooks.install()
    assert Work().outer() == "done"
    hooks.remove()
    assert (Work.outer, Work.inner) == before
    Work().outer()
    found = {stage: time.calls for (_, stage), time in clocks.snapshot().items()}
    assert found == {"outer": 1, "inner": 1}


def test_a_stage_has_no_time_of_the_stages_inside_it_and_waiting_is_no_cpu():
    clocks, work = StageClocks(), Work()
    work.inner = clocks.timed("inner", work.inner)
    clocks.timed("outer", work.outer)()
    (group,) = {group for group, _ in clocks.snapshot()}
    outer, inner = clocks.snapshot()[group, "outer"], clocks.snapshot()[group, "inner"]
    assert inner.wall_s >= PAUSE_S > outer.wall_s
    assert inner.cpu_s < inner.wall_s


def test_a_failure_passes_through_the_clocks_and_counts():
    clocks = StageClocks()
    with pytest.raises(ValueError, match="as asked"):
        clocks.timed("outer", Work().outer)(fails=True)
    assert [time.calls for time in clocks.snapshot().values()] == [1]


def test_stages_are_kept_apart_by_group_of_threads():
    clocks = StageClocks()
    act = clocks.timed("act", lambda: None)
    threads = [threading.Thread(target=act, name=name) for name in ("camera-a", "camera-b", "x")]
    for thread in threads:
        thread.start()
        thread.join()
    found = {key: time.calls for key, time in clocks.snapshot().items()}
    assert found == {("camera-*", "act"): 2, ("x", "act"): 1}


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("camera-gate-1", "camera-*"),
        ("camera-group", "camera-group"),
        ("slot-3", "slot-*"),
        ("detector-traffic/1_0", "detector-*"),
        ("ThreadPoolExecutor-0_12", "ThreadPoolExecutor-N_N"),
    ],
)
def test_threads_are_grouped_without_what_they_are_named_after(name, group):
    assert group_of_threads(name) == group


def test_the_clock_of_a_thread_that_has_ended_is_none():
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    # Python's thread ends a moment before the kernel's; the test's own timeout ends the loop.
    while thread_cpu_s(thread.native_id) is not None:
        time.sleep(0.001)
    assert thread_cpu_s(threading.get_native_id()) > 0


def test_thread_clocks_find_the_group_that_works():
    clocks, done = ThreadClocks(), threading.Event()
    clocks.since_last()
    thread = threading.Thread(target=burn, args=(done,), name="slot-0")
    thread.start()
    while (thread_cpu_s(thread.native_id) or 0.0) < 2 * PAUSE_S:
        time.sleep(0.001)
    spent, whole_s = clocks.since_last()
    done.set()
    thread.join()
    assert max(spent, key=spent.get) == "slot-*"
    assert 0 < spent["slot-*"] <= whole_s * 1.1


def seen(sampler: Sampler) -> set[tuple[str, str]]:
    """Threads that run in a function, and threads that wait in one."""
    running = {place for place in sampler.running if place[0] == "slot-*"}
    waiting = {place for place in sampler.waiting if place[0] == "relay-*"}
    return {(place[0], place[2].rpartition(":")[2]) for place in running | waiting}


def test_samples_show_where_threads_run_and_where_they_wait():
    done = threading.Event()
    busy = threading.Thread(target=burn, args=(done,), name="slot-0")
    idle = threading.Thread(target=done.wait, name="relay-hub")
    for thread in (busy, idle):
        thread.start()
    sampler = Sampler()
    sampler.find_threads()
    taken, end_s = 0, time.monotonic() + 30.0
    wanted = {("slot-*", "burn"), ("relay-*", "Condition.wait")}
    # The busy thread may wait for a processor of a busy machine.
    while not wanted <= (found := seen(sampler)) and time.monotonic() < end_s:
        sampler.sample()
        taken += 1
        time.sleep(0.001)
    done.set()
    busy.join()
    assert wanted <= found
    assert sampler.samples == taken


def test_control_is_all_but_workers_replicas_and_hub():
    window = ProfileWindow(
        "off", 0.0, 10.0, {WORKERS: 5.0, REPLICAS: 5.0, HUB: 1.0, "director": 0.1, "x": 0.4}
    )
    assert window.control_share == pytest.approx(0.05)


def profiled(*lines: ProfileLine) -> WorkerTotals:
    modes = {one.mode for one in lines}
    return totals([lines], [ProfileWindow(mode, 0.0, 100.0, {}) for mode in modes])


def test_only_lines_of_the_mode_and_the_time_count():
    lines = [line("off", 5.0), line("off", 10.0), line("stages", 10.0), line("off", 20.6)]
    found = totals([lines, lines], [ProfileWindow("off", 9.0, 21.0, {})])
    assert (found.inferred, found.cpu_s, found.seconds) == (100, 1.0, 1.0)


def test_decode_and_run_are_taken_off_and_nothing_else():
    stages = [
        ("camera-*", DEMUX, 50, 0.025, 1.0),
        ("camera-*", DECODE, 50, 0.125, 0.2),
        ("slot-*", RUN, 50, 0.2, 0.2),
        ("slot-*", TRACKER, 50, 0.04, 0.05),
    ]
    staged = profiled(line("stages", 1.0, stages=stages))
    # 10 ms of the process, 0.5 + 2.5 of decoding, 4 of the run.
    assert own_cpu_ms(profiled(line("off", 1.0)), staged) == pytest.approx(3.0)
    assert staged.reader_beside_ms == pytest.approx(1.0)
    assert staged.per_frame_ms(staged.rest_s("slot-*")) == pytest.approx(0.2)
    assert staged.stage_ms(TRACKER) == pytest.approx(0.8)


def test_the_clock_of_a_group_is_shared_by_its_samples():
    running = [
        ("slot-*", "a", "b", 3),
        ("slot-*", "c", "d", 1),
        ("camera-*", "", "e", 7),
    ]
    found = dict(profiled(line("samples", 1.0, running=running)).functions())
    assert found["slot-*", "a", "b"] == pytest.approx(0.1875)
    assert found["camera-*", "", "e"] == pytest.approx(0.2)


def test_nothing_inferred_is_nothing_per_frame():
    assert profiled(line("off", 1.0, inferred=0)).per_frame_ms(1.0) == 0.0


def test_the_log_is_set_up_first_and_the_director_records_nothing(tmp_path: Path):
    asked: list[Path] = []
    record_profile(asked.append, tmp_path / "state" / "director.log")
    assert asked == [tmp_path / "state" / "director.log"]
    assert "profiler" not in {thread.name for thread in threading.enumerate()}
