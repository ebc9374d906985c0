"""Real processes: what was in the environment is nowhere in it afterwards, nor in any child's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CANARY = "canary-c0ffee"

PROGRAM = """
import json, os, subprocess, sys
from pathlib import Path
from cityeye.environment import take_secrets

taken = take_secrets(Path(sys.argv[1]))
own = Path("/proc/self/environ").read_bytes().decode()
child = subprocess.run(
    [sys.executable, "-c", "print(open('/proc/self/environ').read())"],
    capture_output=True, text=True, close_fds=False,
).stdout
files = [os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")
         if os.path.exists(f"/proc/self/fd/{n}")]
print(json.dumps({"taken": taken, "own": own, "child": child, "seen": dict(os.environ),
                  "pid": os.getpid(), "argv": sys.orig_argv, "files": files}))
"""

CITY = """
cameras:
  - id: gate
    source: rtsp://${GATE_HOST}/live
    username: ${HOME}
    password: ${GATE_PASSWORD}
    name: ${GATE_NAME}
sinks: [{url: "http://hub/", token: "${TOKEN:-none}"}]
"""


def run(tmp_path: Path, **variables: str) -> tuple[dict, int]:
    """What the program saw, and the process id that it was started as."""
    (tmp_path / "city.yaml").write_text(CITY, "utf-8")
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "city.yaml")],
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        stdout=subprocess.PIPE,
        text=True,
    )
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return json.loads(out), process.pid


def test_secrets_are_taken_once_and_are_in_no_environment_afterwards(tmp_path: Path) -> None:
    secrets = {
        "GATE_PASSWORD": CANARY,
        "TOKEN": f"{CANARY}-ü",
        "CITYEYE_MODELS_SECRET_KEY": f"{CANARY}-own",
    }
    seen, pid = run(tmp_path, **secrets, GATE_NAME="North gate", GATE_HOST="10.0.0.5")
    assert {name: seen["taken"][name] for name in secrets} == secrets
    assert seen["taken"]["GATE_NAME"] == "North gate"
    assert CANARY not in seen["own"]
    assert CANARY not in seen["child"]
    assert CANARY not in json.dumps(seen["seen"]) + json.dumps(seen["argv"])
    assert "North gate" in seen["own"], "what is no secret stays"
    assert f"HOME={os.environ['HOME']}" in seen["own"], "what programs need stays"
    assert seen["pid"] == pid, "whoever supervises it sees the same process"
    assert not [name for name in seen["files"] if "memfd" in name]


def test_without_secrets_nothing_is_executed_anew(tmp_path: Path) -> None:
    seen, _ = run(tmp_path, GATE_NAME="North gate")
    assert "CITYEYE_SECRETS_FD" not in seen["own"]
    assert seen["taken"] == seen["seen"]


def test_a_descriptor_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    seen, _ = run(tmp_path, CITYEYE_SECRETS_FD="1", GATE_PASSWORD=CANARY)
    assert seen["taken"]["GATE_PASSWORD"] == CANARY
    assert CANARY not in seen["own"]
