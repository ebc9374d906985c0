"""The levels pick what they say, proofs go on where they stopped, and runs do not meet."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[1]
INI = """[pytest]
markers =
    slow: x
    scaled: x
    proof: x
"""
SUITE = """
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, strategies

from tests.levels import scaled

@given(strategies.booleans())
def test_guessed(value): time.sleep(0.3)

def test_fast(): pass

@pytest.mark.slow
def test_slow(): pass

@pytest.mark.scaled
def test_scaled(): Path("rounds.txt").write_text(str(scaled(2)))

@pytest.mark.proof
def test_long(): assert not Path("broken").exists()

def test_folder(tmp_path):
    Path("folders.txt").write_text(f"{tempfile.mkdtemp()} {tmp_path}")
"""


class Suite:
    """A few tests in a repository of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "pytest.ini").write_text(INI)
        (folder / ".gitignore").write_text("*.txt\n__pycache__\n.*\nbroken\n")
        (folder / "test_suite.py").write_text(SUITE)
        self.git("init", "-q")
        self.git("add", "-f", "pytest.ini", "test_suite.py", ".gitignore")
        self.git("commit", "-qm", "first")

    def git(self, *arguments: str) -> None:
        name = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
        subprocess.run(["git", *name, *arguments], cwd=self.folder, check=True)

    def run(self, *arguments: str, **environment: str) -> tuple[set[str], str]:
        """Names of the tests that passed, and all that was printed."""
        plugins = ["-p", "tests.levels", "-p", "tests.private_folder"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-v", *plugins, *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        lines = [line.split() for line in done.stdout.splitlines()]
        passed = {line[0].rpartition("::test_")[2] for line in lines if line[1:2] == ["PASSED"]}
        return passed, done.stdout + done.stderr


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path)


def test_quick_leaves_out_what_is_slow_and_test_what_is_a_proof(suite: Suite) -> None:
    assert suite.run("--level", "quick")[0] == {"guessed", "fast", "scaled", "folder"}
    assert suite.run()[0] == {"guessed", "fast", "slow", "scaled", "folder"}
    assert (suite.folder / "rounds.txt").read_text() == "2"


def test_proofs_go_on_where_they_stopped_and_begin_anew_after_a_change(suite: Suite) -> None:
    (suite.folder / "broken").touch()
    passed, output = suite.run("--level", "prove")
    assert passed == {"guessed", "scaled"}
    assert "2 passed now, 0 had passed before, 1 failed, 0 not run" in output
    assert int((suite.folder / "rounds.txt").read_text()) > 20
    (suite.folder / "broken").unlink()
    passed, output = suite.run("--level", "prove")
    assert passed == {"long"}
    assert "1 passed now, 2 had passed before, 0 failed, 0 not run" in output
    assert "nothing that was asked for is left" in output
    (suite.folder / "test_suite.py").write_text(SUITE + "\n# changed\n")
    assert suite.run("--level", "prove")[0] == {"guessed", "scaled", "long"}
    suite.git("commit", "-qam", "second")
    assert suite.run("--level", "prove")[0] == {"guessed", "scaled", "long"}


def test_without_a_commit_proofs_say_why_they_cannot_be_kept(tmp_path: Path) -> None:
    suite = Suite(tmp_path)
    passed, output = suite.run("--level", "prove", GIT_DIR=str(tmp_path / "nowhere"))
    assert passed == set()
    assert "proofs are kept by commit, and there is none" in output


def test_a_run_has_a_temporary_folder_of_its_own_and_removes_it(suite: Suite) -> None:
    shared = suite.folder / "shared.txt"
    shared.mkdir()
    assert suite.run("-k", "folder", TMPDIR=str(shared))[0] == {"folder"}
    made, kept = (suite.folder / "folders.txt").read_text().split()
    assert Path(made).parent.parent == shared
    assert not Path(made).parent.exists()
    assert Path(kept).exists()


def test_processes_of_one_run_have_folders_of_their_own(suite: Suite) -> None:
    shared = suite.folder / "shared.txt"
    shared.mkdir()
    arguments = ("-k", "folder", "-n", "2", "-p", "xdist")
    _, output = suite.run(*arguments, TMPDIR=str(shared))
    assert "1 passed" in output
    made, _ = (suite.folder / "folders.txt").read_text().split()
    assert Path(made).parent.parent.parent == shared
    assert Path(made).parent.name in ("gw0", "gw1")


def test_quick_has_tests_of_every_package_and_none_that_starts_a_server() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "--level", "quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500,
        check=True,
    )
    files = {line.partition("::")[0] for line in done.stdout.splitlines() if "::" in line}
    packages = {path.name for path in (ROOT / "tests").iterdir() if (path / "__init__.py").exists()}
    assert {name.split("/")[1] for name in files if name.count("/") > 1} == packages - {"e2e"}
    assert not [name for name in files if "test_foreign" in name]
