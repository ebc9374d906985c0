"""The parent's side: start the child, watch its clock, kill it, and say in a sentence how it ended.

The child gets an empty folder, no environment but what Python needs, and a session of its own, so
that it ends as a whole. Whatever it says is bounded and is data, never code.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from model_tools.sandbox.child import OUT_OF_MEMORY
from model_tools.sandbox.confinement import SandboxLimits
from models import FailureKind, SandboxError

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
MAX_KEPT_OUTPUT = 8 * 1024
MAX_SENTENCE = 600
START = "starting Python"
START_S = 20.0
END_S = 2.0
BOOT = (
    "import json, sys\n"
    "order = json.load(sys.stdin)\n"
    "sys.path[:0] = [one for one in order['path'] if one not in sys.path]\n"
    "from model_tools.sandbox.child import main\n"
    "main(order, int(sys.argv[1]))\n"
)


def run(
    function: str,
    arguments: Mapping[str, Any],
    *,
    model: str = "in the sandbox",
    limits: SandboxLimits | None = None,
    on_step: Callable[[str], None] = lambda step: None,
    writable: Sequence[Path] = (),
    environment: Mapping[str, str] | None = None,
    gpu: bool = False,
) -> dict[str, Any]:
    """Calls a function in a throw-away process and returns what it returns.

    Args:
        function: `package.module:name` of a function that takes `(arguments, announce)`;
            `announce("what comes next", seconds=...)` begins a step with a time limit of its own.
        arguments: What can be written as JSON.
        model: Who it is about, for errors.
        limits: What the process may use up.
        on_step: Called with the name of every step as it begins.
        writable: Folders in which the process may write, besides its own that is removed.
        environment: Variables that it gets besides those that Python needs.
        gpu: Leave the ways to a GPU open.

    Raises:
        SandboxError: It failed, crashed, or used up a limit; one sentence says which.
    """
    limits = limits or SandboxLimits()
    with tempfile.TemporaryDirectory(prefix="cityeye-sandbox-") as folder:
        order = {
            "function": function,
            "arguments": dict(arguments),
            "limits": asdict(limits),
            "path": [str(Path(one).absolute()) for one in sys.path],
            "writable": [str(one.absolute()) for one in writable],
            "gpu": gpu,
        }
        variables = {**_variables(folder, limits), **(environment or {})}
        with _started(order, folder, variables) as child:
            watch = _Watch(child, model, limits, on_step)
            try:
                return watch.result()
            finally:
                watch.close()


@dataclass(slots=True)
class _Child:
    process: subprocess.Popen[bytes]
    messages: int
    """Descriptor of the pipe's reading end."""


@contextlib.contextmanager
def _started(
    order: Mapping[str, Any], folder: str, variables: Mapping[str, str]
) -> Iterator[_Child]:
    """Starts the child; at the end it and everything that it started is gone."""
    messages, pipe = os.pipe()
    try:
        with tempfile.TemporaryFile() as stdin:
            stdin.write(json.dumps(order).encode())
            stdin.seek(0)
            process = subprocess.Popen(
                [sys.executable, "-I", "-B", "-c", BOOT, str(pipe)],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=dict(variables),
                pass_fds=(pipe,),
                start_new_session=True,
            )
    except BaseException:
        os.close(messages)
        raise
    finally:
        os.close(pipe)
    try:
        yield _Child(process, messages)
    finally:
        _end(process)
        os.close(messages)
        if process.stdout is not None:
            process.stdout.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    # Before it is reaped, so that its process group cannot be somebody else's by now.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _variables(folder: str, limits: SandboxLimits) -> dict[str, str]:
    threads = str(limits.threads)
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": folder,
        "TMPDIR": folder,
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
    }


@dataclass(slots=True)
class _Watch:
    """Reads what the child says until it has a result, an end, or no time left."""

    child: _Child
    model: str
    limits: SandboxLimits
    on_step: Callable[[str], None]
    step: str = START
    step_s: float = START_S
    started: float = field(default_factory=time.monotonic)
    step_started: float = field(default_factory=time.monotonic)
    output: bytes = b""
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def result(self) -> dict[str, Any]:
        """The function's result.

        Raises:
            SandboxError: There is none.
        """
        self.selector.register(self.child.messages, selectors.EVENT_READ)
        if self.child.process.stdout is not None:
            self.selector.register(self.child.process.stdout.fileno(), selectors.EVENT_READ)
        for line in self._lines():
            message = self._parsed(line)
            if "result" in message:
                return dict(message["result"])
            if "failure" in message:
                raise self._failed(str(message["failure"]), str(message.get("kind")))
            self._begin(str(message.get("step")), message.get("seconds"))
        raise self._ended()

    def close(self) -> None:
        """Lets go of the pipes."""
        self.selector.close()

    def _begin(self, step: str, seconds: object) -> None:
        self.step = _clean(step)
        self.step_s = self.limits.step_s
        if isinstance(seconds, int | float) and 0 < seconds < math.inf:
            self.step_s = float(seconds)
        self.step_started = time.monotonic()
        self.on_step(self.step)

    def _lines(self) -> Iterator[bytes]:
        """Complete lines of the private pipe, until its end."""
        rest, total = b"", 0
        while True:
            for key, _ in self.selector.select(self._seconds_left()):
                chunk = os.read(key.fd, 65536)
                if key.fd != self.child.messages:
                    self._keep(key.fd, chunk)
                    continue
                if not chunk:
                    return
                total += len(chunk)
                if total > MAX_MESSAGE_BYTES:
                    raise self._error("it said more than a process may say", "crashed")
                *lines, rest = (rest + chunk).split(b"\n")
                yield from lines

    def _keep(self, descriptor: int, chunk: bytes) -> None:
        if not chunk:
            self.selector.unregister(descriptor)
        self.output = (self.output + chunk)[-MAX_KEPT_OUTPUT:]

    def _seconds_left(self) -> float:
        now = time.monotonic()
        if now - self.step_started > self.step_s:
            raise self._error(f"did not finish {self.step} within {self.step_s:.3g} s", "time")
        if now - self.started > self.limits.total_s:
            raise self._error(
                f"did not finish within {self.limits.total_s:g} s, it was {self.step}", "time"
            )
        left = min(self.step_started + self.step_s - now, self.started + self.limits.total_s - now)
        return max(left, 0.0) + 0.001

    def _parsed(self, line: bytes) -> dict[str, Any]:
        try:
            message = json.loads(line)
            if isinstance(message, dict) and isinstance(message.get("result", {}), dict):
                return message
        except (ValueError, RecursionError):
            pass
        raise self._error(f"said something unreadable while {self.step}", "crashed")

    def _failed(self, text: str, kind: str) -> SandboxError:
        if kind == "memory":
            return self._out_of_memory()
        if kind == "refused":
            return self._error(text, "refused")
        return self._error(f"{self.step} failed: {text}", "unexpected")

    def _ended(self) -> SandboxError:
        """Why the child ended without a result."""
        status = self._status()
        text = self._last_words()
        if any(sign in text.lower() for sign in OUT_OF_MEMORY):
            return self._out_of_memory()
        if status == -signal.SIGXCPU:
            return self._error(f"used up its processor time while {self.step}", "time")
        if status < 0:
            name = signal.Signals(-status).name
            hint = ", perhaps for want of memory" if status == -signal.SIGKILL else ""
            return self._error(
                f"crashed the process while {self.step} (signal {-status}, {name}{hint})", "crashed"
            )
        last = text.strip().splitlines()[-1:] or ["it said nothing"]
        return self._error(f"ended the process while {self.step}: {last[0]}", "crashed")

    def _status(self) -> int:
        """Exit status, or minus the signal; the child stays unreaped, so that its id stays its."""
        until = time.monotonic() + END_S
        while time.monotonic() < until:
            options = os.WEXITED | os.WNOHANG | os.WNOWAIT
            ended = os.waitid(os.P_PID, self.child.process.pid, options)
            if ended is not None:
                return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
            time.sleep(0.01)
        return 0

    def _last_words(self) -> str:
        self.selector.unregister(self.child.messages)
        while self.selector.get_map() and (ready := self.selector.select(0)):
            for key, _ in ready:
                self._keep(key.fd, os.read(key.fd, 65536))
        return self.output.decode("utf-8", "replace")

    def _out_of_memory(self) -> SandboxError:
        return self._error(
            f"needed more than the {self.limits.memory_mb} MB of memory that it may have "
            f"while {self.step}",
            "memory",
        )

    def _error(self, reason: str, kind: FailureKind) -> SandboxError:
        return SandboxError(
            self.model, _clean(reason), kind=kind, step=self.step, output=self.output
        )


def _clean(text: str) -> str:
    """What can be printed and written of a text from the child, at a limited length."""
    return "".join(one if one.isprintable() else "?" for one in text)[:MAX_SENTENCE]
