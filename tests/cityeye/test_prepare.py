"""`.ci/prepare` finds or fetches uv, and says in one sentence what a machine lacks."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

PREPARE = Path(__file__).parents[2] / ".ci" / "prepare"
GOOD_UV = '[ "$1" = --version ] && echo "uv 0.13.9" || echo "$@" >> uv.log'
PYTHON_OF_2021 = 'case "$2" in *platform*) echo 3.9.2 ;; *) exit 1 ;; esac'
NO_VENV_NO_PIP = 'case "$1" in -m) exit 1 ;; *) [ "${2#*platform}" = "$2" ] || echo 3.12.1 ;; esac'
NO_VENV = """
case "$2" in
venv) mkdir -p .tools/bin; exit 1 ;;
pip) for last; do target=$before; before=$last; done
     [ "$3" = --version ] || { echo "$@" > pip.log; mkdir -p .tools/bin
     printf '#!/bin/sh\\n%s\\n' '{uv}' > .tools/bin/uv; chmod +x .tools/bin/uv; } ;;
*) echo 3.12.1 ;;
esac
"""


class Machine:
    """A machine of which only the installed programs are special, with a folder to prepare."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "programs"
        self.project = folder / "project"
        self.programs.mkdir()
        (self.project / ".venv" / "bin").mkdir(parents=True)
        self.install(self.project / ".venv" / "bin" / "python", "exit 0")

    def install(self, name: str | Path, script: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)

    def prepare(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", PREPARE, *arguments],
            cwd=self.project,
            env={"PATH": f"{self.programs}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_a_recent_uv_of_the_machine_is_used(machine):
    machine.install("uv", GOOD_UV)
    done = machine.prepare("gpu", "--no-dev")
    assert done.returncode == 0, done.stderr
    log = (machine.project / "uv.log").read_text(encoding="utf-8")
    assert log == "sync --quiet --locked --extra gpu --no-dev\n"
    assert not (machine.project / ".tools").exists()


@pytest.mark.parametrize(
    ("python", "said"),
    [
        ("exit 127", "There is no python3 here: sudo apt-get install python3 python3-venv"),
        (PYTHON_OF_2021, "CityEye needs Python 3.11 or newer, python3 is 3.9.2: name another"),
        (
            NO_VENV_NO_PIP,
            "Python cannot create virtual environments here: sudo apt-get install python3-venv",
        ),
    ],
)
def test_what_a_machine_lacks_is_said_in_a_sentence(machine, python, said):
    machine.install("uv", "echo uv 0.1.0")
    machine.install("python3", python)
    done = machine.prepare("cpu")
    assert done.returncode == 1
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


def test_without_ensurepip_uv_is_put_into_a_folder(machine):
    machine.install("uv", "exit 1")
    machine.install("python3", NO_VENV.replace("{uv}", GOOD_UV))
    done = machine.prepare("cpu")
    assert done.returncode == 0, done.stderr
    assert "--target .tools" in (machine.project / "pip.log").read_text(encoding="utf-8")
    assert (machine.project / "uv.log").exists()


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (
            "ImportError: libGL.so.1: cannot open shared object file",
            "OpenCV needs two system libraries: sudo apt-get install libgl1 libglib2.0-0",
        ),
        ("ImportError: libgthread-2.0.so.0: cannot open", "OpenCV needs two system libraries"),
        ("ImportError: numpy is upside down", "ImportError: numpy is upside down"),
    ],
)
def test_an_opencv_that_cannot_be_imported_is_explained(machine, problem, said):
    machine.install("uv", GOOD_UV)
    machine.install(machine.project / ".venv" / "bin" / "python", f"echo '{problem}' >&2; exit 1")
    done = machine.prepare("cpu")
    assert done.returncode == 1
    assert said in done.stderr
