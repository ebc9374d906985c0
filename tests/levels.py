"""Three levels of tests: `quick` for a developer, `test` for everything, `prove` by hand.

`--level test` is the default. It leaves out what is marked `proof`. `--level prove` runs what is
marked `proof`, and once more, many times longer, what is marked `scaled` or made by hypothesis. It
writes down what passed for the state of the working tree, so that a second call goes on where the
first one stopped.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

LEVELS = ("quick", "test", "prove")
NOT_QUICK = ("slow", "integration", "e2e", "proof")
PROOFS = ("proof", "scaled", "hypothesis")
KEPT = ".proofs"
FACTOR = 100
EXAMPLES = 100
"""What hypothesis tries where a test does not say."""


class _Chosen:
    """The level of this run; modules of tests read it when they are imported."""

    level = "test"


def scaled(few: int) -> int:
    """A number of repetitions: a few in `make test`, many times as many in `make prove`."""
    return few * FACTOR if _Chosen.level == "prove" else few


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("levels")
    group.addoption("--level", choices=LEVELS, default="test", help="which tests to run")


def pytest_configure(config: pytest.Config) -> None:
    _Chosen.level = config.getoption("--level")
    # Without its limits of time: other work on this machine is no fault of what is tested.
    settings.register_profile(
        "levels",
        max_examples=scaled(EXAMPLES),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("levels")
    if _Chosen.level == "prove":
        config.pluginmanager.register(_Proofs(config), "proofs")


def marked(item: pytest.Item, names: Sequence[str]) -> bool:
    return any(item.get_closest_marker(name) for name in names)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if _Chosen.level == "quick":
        keep = [item for item in items if not marked(item, NOT_QUICK)]
    elif _Chosen.level == "test":
        keep = [item for item in items if not marked(item, ("proof",))]
    else:
        return
    _select(config, items, keep)


def _select(config: pytest.Config, items: list[pytest.Item], keep: list[pytest.Item]) -> None:
    kept = set(keep)
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = keep


def state_of(folder: Path) -> str:
    """A name for the commit and for what was changed since, untracked files included."""
    commit = _git(folder, "rev-parse", "HEAD").decode().strip()
    changes = hashlib.sha256(_git(folder, "diff", "HEAD", "--binary"))
    for name in _git(folder, "ls-files", "--others", "--exclude-standard", "-z").split(b"\0")[:-1]:
        changes.update(name + (folder / os.fsdecode(name)).read_bytes())
    digest = changes.hexdigest()
    return commit if digest == hashlib.sha256().hexdigest() else f"{commit}-{digest[:12]}"


def _git(folder: Path, *arguments: str) -> bytes:
    try:
        return subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise pytest.UsageError(f"proofs are kept by commit, and there is none: {error}") from error


class _Proofs:
    """Picks the proofs that have not passed yet, and writes down each one that passes."""

    def __init__(self, config: pytest.Config) -> None:
        folder = config.rootpath / KEPT
        folder.mkdir(exist_ok=True)
        self.file = folder / f"{state_of(config.rootpath)}.txt"
        self.known = self.file.read_text("utf-8").splitlines() if self.file.exists() else []
        self.chosen = 0
        self.before = 0
        self.called: set[str] = set()
        self.passed: list[str] = []
        self.failed: list[str] = []

    # Last, because hypothesis marks its tests in the same hook.
    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        proofs = [item for item in items if marked(item, PROOFS)]
        left = [item for item in proofs if item.nodeid not in self.known]
        self.chosen, self.before = len(left), len(proofs) - len(left)
        _select(config, items, left)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)
        elif report.when == "call" and report.passed:
            self.called.add(report.nodeid)
        elif report.when == "teardown" and report.nodeid in self.called:
            self.passed.append(report.nodeid)
            with self.file.open("a", encoding="utf-8") as stream:
                stream.write(f"{report.nodeid}\n")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        done, failed = len(self.passed), len(set(self.failed))
        left = self.chosen - done - failed
        terminalreporter.section("proofs")
        terminalreporter.line(
            f"{done} passed now, {self.before} had passed before, {failed} failed, "
            f"{left} not run or skipped; kept in {self.file}"
        )
        if done == self.chosen:
            terminalreporter.line("nothing that was asked for is left for this working tree")
