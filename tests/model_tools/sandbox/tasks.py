"""What sandboxed processes do in the tests."""

from __future__ import annotations

import ctypes
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from model_tools.sandbox.child import Announce
from models.errors import GraphError
from models.graph.contract import ContractViolation


def echo(arguments: dict[str, Any], announce: Announce) -> dict[str, Any]:
    announce("thinking")
    announce("answering", seconds=3)
    return {"got": arguments}


def look_around(arguments: dict[str, Any], announce: Announce) -> dict[str, Any]:
    limits = {
        name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[0]
        for name in ("DATA", "FSIZE", "NOFILE", "CORE", "CPU")
    }
    return {
        "environment": dict(os.environ),
        "folder": str(Path.cwd()),
        "files": os.listdir(),
        "session": os.getsid(0) == os.getpid(),
        "nice": os.nice(0),
        "limits": limits,
        "path": sys.path,
        "isolated": sys.flags.isolated,
        "privileges": "NoNewPrivs:\t1" in Path("/proc/self/status").read_text(),
        "descriptors": len(os.listdir("/proc/self/fd")),
    }


def crash(arguments: dict[str, Any], announce: Announce) -> dict[str, Any]:
    announce("falling over")
    if arguments["how"] == "segfault":
        ctypes.string_at(0)
    if arguments["how"] == "abort":
        os.abort()
    if arguments["how"] == "leave":
        os._exit(3)
    if arguments["how"] == "killed":
        os.kill(os.getpid(), 9)
    if arguments["how"] == "processor":
        os.kill(os.getpid(), 24)
    if arguments["how"] == "model":
        raise GraphError("tiny", "is the wrong way round; turn it")
    if arguments["how"] == "contract":
        raise ContractViolation("holds no graph", "export it again")
    raise ValueError("something\nodd")


def hog(arguments: dict[str, Any], announce: Announce) -> dict[str, Any]:
    announce("filling memory")
    kept = []
    while True:
        kept.append(np.ones(16 * 1024 * 1024, np.uint8))


def sleep(arguments: dict[str, Any], announce: Announce) -> dict[str, Any]:
    for step in range(arguments["steps"]):
        announce(f"step {step}", seconds=arguments.get("seconds"))
        time.sleep(arguments["each"])
    return {}


def chatter(arguments: dict[str, Any], announce: Announce) -> dict[str, Any]:
    for _ in range(arguments["lines"]):
        sys.stdout.write("x" * 1000 + "\n")
        os.write(2, b"y" * 1000)
    return {"done": True}


def flood(arguments: dict[str, Any], announce: Announce) -> dict[str, Any]:
    return {"text": "x" * arguments["size"]}


def garble(arguments: dict[str, Any], announce: Announce) -> dict[str, Any]:
    """Writes what is no message on every descriptor that it has."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            try:
                os.write(int(name), arguments["text"].encode() + b"\n")
            except OSError:
                continue
    time.sleep(60)
    return {}


def close_all(arguments: dict[str, Any], announce: Announce) -> dict[str, Any]:
    announce("hiding")
    os.closerange(3, 256)
    time.sleep(60)
    return {}


def start_another(arguments: dict[str, Any], announce: Announce) -> dict[str, Any]:
    """Leaves a process behind that would outlive this one."""
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    return {"child": child}


def attempts(arguments: dict[str, Any], announce: Announce) -> dict[str, Any]:
    """Tries what a hostile library would; gives the errors, or `done`."""
    outside = Path(arguments["outside"])

    def connect() -> None:
        with socket.socket() as one:
            one.connect(("127.0.0.1", arguments["port"]))

    tries: dict[str, Callable[[], object]] = {
        "write here": lambda: Path("here").write_text("x"),
        "write in TMPDIR": lambda: (Path(os.environ["TMPDIR"]) / "there").write_text("x"),
        "write outside": lambda: (outside / "new").write_text("x"),
        "overwrite": lambda: (outside / "old").write_text("x"),
        "remove": (outside / "old").unlink,
        "truncate": lambda: os.truncate(outside / "old", 0),
        "make a folder": (outside / "folder").mkdir,
        "write where allowed": lambda: (Path(arguments["allowed"]) / "new").write_text("x"),
        "large file": lambda: Path("large").write_bytes(bytes(3 * 1024 * 1024)),
        "program": lambda: subprocess.run(["/bin/true"], check=True),
        "connect": connect,
        "kill": lambda: os.kill(arguments["parent"], 0),
        "thread": lambda: threading.Thread(target=lambda: None).start(),
    }
    found = {}
    for name, attempt in tries.items():
        try:
            attempt()
            found[name] = "done"
        except OSError as error:
            found[name] = type(error).__name__
    return {"landlock": arguments["landlock"], **found}


def not_json(arguments: dict[str, Any], announce: Announce) -> dict[str, Any]:
    return {"number": float("nan")}
