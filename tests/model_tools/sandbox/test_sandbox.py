"""The sandbox: what it gives back, what it says when there is nothing, and what it forbids."""

from __future__ import annotations

import ctypes
import os
import socket
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from model_tools.sandbox import SandboxLimits, run
from models.errors import ModelError, SandboxError

TASKS = "tests.model_tools.sandbox.tasks"
LANDLOCK = ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1)


def do(task: str, arguments: dict | None = None, **options):
    return run(f"{TASKS}:{task}", arguments or {}, model="tiny/1", **options)


def failure(task: str, arguments: dict | None = None, **options) -> SandboxError:
    with pytest.raises(SandboxError) as caught:
        do(task, arguments, **options)
    assert isinstance(caught.value, ModelError)
    assert str(caught.value) == f"model tiny/1: {caught.value.reason}"
    assert "\n" not in caught.value.reason
    return caught.value


def folders() -> set[str]:
    return {one for one in os.listdir(tempfile.gettempdir()) if one.startswith("cityeye-sandbox-")}


def test_a_result_and_the_steps_on_the_way_come_back():
    steps: list[str] = []
    given = {"text": "Verkehr 交通", "numbers": [1, 2.5], "large": "x" * 300_000}
    assert do("echo", given, on_step=steps.append) == {"got": given}
    assert steps == ["thinking", "answering"]


def test_the_process_is_alone_in_an_empty_folder_and_knows_no_secret(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    here = os.nice(0)
    limits = SandboxLimits(
        memory_mb=1500, file_mb=3, open_files=99, total_s=40, threads=2, niceness=3
    )
    seen = do("look_around", limits=limits, environment={"CUDA_VISIBLE_DEVICES": "1"})
    assert "hush" not in str(seen["environment"])
    assert seen["environment"]["CUDA_VISIBLE_DEVICES"] == "1"
    assert seen["environment"]["OMP_NUM_THREADS"] == "2"
    assert seen["environment"]["HOME"] == seen["environment"]["TMPDIR"] == seen["folder"]
    assert seen["files"] == []
    assert not Path(seen["folder"]).exists()
    assert seen["session"]
    assert seen["isolated"]
    assert seen["privileges"]
    assert seen["nice"] == min(here + 3, 19)
    megabyte = 1024 * 1024
    wanted = {"DATA": 1500 * megabyte, "FSIZE": 3 * megabyte, "NOFILE": 99, "CORE": 0, "CPU": 81}
    assert seen["limits"] == wanted
    assert seen["descriptors"] <= 6


@pytest.mark.parametrize(
    ("how", "kind", "says"),
    [
        ("segfault", "crashed", "crashed the process while falling over (signal 11, SIGSEGV)"),
        ("abort", "crashed", "crashed the process while falling over (signal 6, SIGABRT)"),
        ("killed", "crashed", "(signal 9, SIGKILL, perhaps for want of memory)"),
        ("processor", "time", "used up its processor time while falling over"),
        ("leave", "crashed", "ended the process while falling over: it said nothing"),
        ("model", "refused", "is the wrong way round; turn it"),
        ("contract", "refused", "holds no graph; export it again"),
        ("otherwise", "unexpected", "falling over failed: ValueError: something odd"),
    ],
)
def test_an_end_without_a_result_is_a_sentence(how, kind, says):
    error = failure("crash", {"how": how})
    assert error.kind == kind
    assert error.reason.endswith(says)
    assert error.step == "falling over"


def test_memory_is_capped():
    error = failure("hog", limits=SandboxLimits(memory_mb=400))
    assert error.kind == "memory"
    assert error.reason == (
        "needed more than the 400 MB of memory that it may have while filling memory"
    )


@pytest.mark.slow
def test_a_step_has_its_own_time_and_the_whole_has_one():
    error = failure("sleep", {"steps": 2, "each": 30}, limits=SandboxLimits(step_s=0.5))
    assert (error.kind, error.reason) == ("time", "did not finish step 0 within 0.5 s")
    error = failure("sleep", {"steps": 9, "each": 30, "seconds": 0.25})
    assert error.reason == "did not finish step 0 within 0.25 s"
    error = failure("sleep", {"steps": 99, "each": 0.1}, limits=SandboxLimits(total_s=2.5))
    assert error.reason.startswith("did not finish within 2.5 s, it was step ")
    assert do("sleep", {"steps": 4, "each": 0.3}, limits=SandboxLimits(step_s=1.0)) == {}


@pytest.mark.slow
def test_what_libraries_print_is_kept_apart_and_bounded():
    assert do("chatter", {"lines": 2000}) == {"done": True}
    error = failure("garble", {"text": "neither JSON nor a result"})
    assert (error.kind, error.reason) == (
        "crashed",
        "said something unreadable while starting Python",
    )
    for text in ("[" * 100_000, '{"result": 3}', "3"):
        assert "unreadable" in failure("garble", {"text": text}).reason
    assert "more than a process may say" in failure("flood", {"size": 17 * 1024 * 1024}).reason
    assert "not JSON compliant" in failure("not_json").reason


def test_a_process_that_goes_silent_is_not_waited_for():
    started = time.monotonic()
    error = failure("close_all")
    assert error.reason == "ended the process while hiding: it said nothing"
    assert time.monotonic() - started < 30


def test_nothing_that_the_process_started_outlives_it():
    child = do("start_another")["child"]
    until = time.monotonic() + 5
    while psutil.pid_exists(child) and time.monotonic() < until:
        if psutil.Process(child).status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.02)
    else:
        assert not psutil.pid_exists(child)


@pytest.mark.skipif(LANDLOCK < 6, reason="the kernel has no Landlock of that version")
def test_a_hostile_library_reaches_nothing(tmp_path):
    outside, allowed = tmp_path / "outside", tmp_path / "allowed"
    outside.mkdir()
    allowed.mkdir()
    (outside / "old").write_text("precious")
    with socket.create_server(("127.0.0.1", 0)) as server:
        tried = do(
            "attempts",
            {
                "outside": str(outside),
                "allowed": str(allowed),
                "port": server.getsockname()[1],
                "parent": os.getpid(),
                "landlock": LANDLOCK,
            },
            limits=SandboxLimits(file_mb=2),
            writable=[allowed],
        )
    done = {name for name, end in tried.items() if end == "done"}
    assert done == {"write here", "write in TMPDIR", "write where allowed", "thread"}
    assert [one.name for one in outside.iterdir()] == ["old"]
    assert (outside / "old").read_text() == "precious"
    assert (allowed / "new").read_text() == "x"


def test_several_at_once_do_not_disturb_each_other_and_leave_nothing():
    before, descriptors = folders(), len(os.listdir("/proc/self/fd"))
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(do, "echo", {"number": number}) for number in range(6)]
        crash = pool.submit(failure, "crash", {"how": "segfault"})
        assert [one.result()["got"]["number"] for one in calls] == list(range(6))
        assert crash.result().kind == "crashed"
    assert folders() == before
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert not [one for one in psutil.Process().children() if "-I" in one.cmdline()]


def test_an_unknown_function_is_a_sentence():
    with pytest.raises(SandboxError, match="starting Python failed: ModuleNotFoundError"):
        run("models.nowhere:at_all", {})
    with pytest.raises(SandboxError, match="starting Python failed: AttributeError"):
        run("models.errors:nothing", {})


def test_a_listener_that_fails_ends_the_process():
    before = folders()
    with pytest.raises(ZeroDivisionError):
        do("echo", on_step=lambda step: 1 / 0)
    assert folders() == before
