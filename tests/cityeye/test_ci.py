"""`.ci/run` installs what is missing, demands the tests that need it, and ends in `make test`."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

RUN = Path(__file__).parents[2] / ".ci" / "run"
INSTALLED = 'case "$*" in *chromium) echo installed ;; *) exit 1 ;; esac'
LOGGED = 'echo "$(basename "$0") $* require=${CITYEYE_REQUIRE_FOREIGN_SERVERS:-no}" >> log'


@pytest.fixture
def ci(tmp_path):
    """Runs the script in a folder of its own, with programs that only write down their calls."""
    project, programs = tmp_path / "project", tmp_path / "programs"
    (project / ".ci").mkdir(parents=True)
    programs.mkdir()
    shutil.copy(RUN, project / ".ci" / "run")
    packages = "chromium # a browser\n\nfonts-noto-cjk libgl1\n"
    (project / ".ci" / "apt-packages.txt").write_text(packages, encoding="utf-8")

    def run(limit: str = "50m", **scripts: str) -> tuple[int, list[str]]:
        defaults = {"id": "echo 0", "dpkg-query": INSTALLED, "apt-get": LOGGED, "make": LOGGED}
        for name, script in {
            **defaults,
            **{k.replace("_", "-"): v for k, v in scripts.items()},
        }.items():
            (programs / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
            (programs / name).chmod(0o755)
        done = subprocess.run(
            [project / ".ci" / "run"],
            env={"PATH": f"{programs}:/usr/bin:/bin", "CITYEYE_CI_LIMIT": limit},
            capture_output=True,
            timeout=30,
            check=False,
        )
        return done.returncode, (project / "log").read_text(encoding="utf-8").splitlines()

    return run


def test_only_what_is_missing_is_installed(ci):
    status, log = ci()
    assert status == 0
    assert log == [
        "apt-get update -qq require=no",
        "apt-get install -y -qq --no-install-recommends fonts-noto-cjk libgl1 require=no",
        "make test require=1",
    ]


def test_nothing_is_fetched_where_all_is_there(ci):
    assert ci(dpkg_query="echo installed") == (0, ["make test require=1"])


def test_tests_run_without_the_packages_where_they_cannot_be_had(ci):
    status, log = ci(apt_get=f"{LOGGED}; exit 100")
    assert status == 0
    assert log == ["apt-get update -qq require=no", "make test require=no"]


def test_only_root_installs(ci):
    assert ci(id="echo 1000") == (0, ["make test require=no"])


def test_a_failed_test_run_fails(ci):
    status, _ = ci(make=f"{LOGGED}; exit 2")
    assert status != 0


def test_a_test_run_that_hangs_is_ended_and_fails(ci):
    started_s = time.monotonic()
    status, _ = ci(limit="1s", make=f"{LOGGED}; exec sleep 20")
    assert status != 0
    assert time.monotonic() - started_s < 15
