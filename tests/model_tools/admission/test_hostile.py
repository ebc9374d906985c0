"""The hostile corpus: every file and package is refused with its reason, and touches nothing."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from model_tools.admission import admit
from model_tools.sandbox import SandboxLimits
from models.admission import read_report, why_not_admitted
from models.admission.report import AdmissionReport
from models.errors import ModelError
from models.package import ModelPackage
from tests.model_tools.hostile import CONTRACT, FILES, RUNS
from tests.model_tools.hostile_packages import (
    PACKAGES,
    good_package,
    network_package,
    package_of,
    write,
)

pytestmark = pytest.mark.slow

AT_ONCE = 3
LIMITS = SandboxLimits(memory_mb=1024, step_s=8.0, total_s=60.0)
SHORT = {"endless loop": replace(LIMITS, step_s=2.0)}
"""Where a case is refused only once its time is up."""

SECRET = "precious"


def from_graph(make: Callable) -> Callable[[Path], Path]:
    return lambda root: package_of(root, make())


def spoiled(spoil: Callable[[Path], object]) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        directory = good_package(root)
        spoil(directory)
        return directory

    return make


CASES: dict[str, tuple[Callable[[Path], Path], str]] = {
    **{name: (from_graph(make), says) for name, (make, says) in (FILES | RUNS | CONTRACT).items()},
    **{name: (spoiled(spoil), says) for name, (spoil, says) in PACKAGES.items()},
    "more labels than classes": (
        lambda root: labelled(root, "person\ncar\nbus\ntram\n"),
        "has 3 classes, labels.txt names 4",
    ),
    "fewer labels than classes": (
        lambda root: labelled(root, "person\n"),
        "has 3 classes, labels.txt names 1",
    ),
}


def labelled(root: Path, labels: str) -> Path:
    directory = network_package(root)
    write(directory, "labels.txt", labels)
    return directory


class Outcome:
    """A case that was examined, with the files around it before and afterwards."""

    def __init__(self, name: str, root: Path) -> None:
        make, self.says = CASES[name]
        (root / "secret").write_text(SECRET)
        self.directory = make(root / "repository")
        before = tree(root)
        self.report: AdmissionReport = admit(self.directory, limits=SHORT.get(name, LIMITS))
        after = tree(root)
        self.new = {path for path in after if path not in before}
        self.gone_or_changed = {path for path in before if after.get(path) != before[path]}


def tree(root: Path) -> dict[str, tuple[int, int, int]]:
    """Every path below a folder, links not followed, with what shows a change."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(folder) / name
            facts = path.lstat()
            size = 0 if path.is_dir() else facts.st_size
            found[str(path.relative_to(root))] = (facts.st_ino, size, facts.st_mode)
    return found


@pytest.fixture(scope="module", autouse=True)
def _surroundings(tmp_path_factory) -> Iterator[None]:
    """Nothing appears in the working directory, the home directory or the temporary folder."""
    places = {name: tmp_path_factory.mktemp(name) for name in ("here", "home", "temporary")}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(places["here"])
        patch.setenv("HOME", str(places["home"]))
        patch.setattr(tempfile, "tempdir", str(places["temporary"]))
        yield
    assert [one for place in places.values() for one in place.iterdir()] == []


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, _surroundings) -> Iterator[dict[str, Future[Outcome]]]:
    """All cases, examined a few at a time while the tests ask for them."""
    roots = {name: tmp_path_factory.mktemp("case") for name in CASES}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {name: pool.submit(Outcome, name, root) for name, root in roots.items()}
        pool.shutdown(cancel_futures=True)


def test_there_are_more_than_enough():
    assert len(CASES) >= 20


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_with_its_reason(outcomes, name):
    outcome = outcomes[name].result()
    report = outcome.report
    assert not report.passed
    assert re.search(outcome.says, report.reason), report.reason
    assert "\n" not in report.reason
    assert len(report.reason) <= 600
    assert report.checks[-1].result == "refused"
    assert report.findings.peak_memory_mb < LIMITS.memory_mb


@pytest.mark.parametrize("name", CASES)
def test_nothing_but_the_report_is_written(outcomes, name):
    outcome = outcomes[name].result()
    kept = outcome.directory / "admission.json"
    report = Path("repository", *kept.parts[-3:])
    if name == "linked folder":
        assert outcome.new == set()
        assert not kept.exists()
    else:
        assert outcome.new == {str(report)}
        assert read_report(outcome.directory) == outcome.report
    assert not outcome.gone_or_changed


@pytest.mark.parametrize("name", CASES)
def test_whoever_loads_it_without_asking_gets_an_error_or_a_package_that_may_not_serve(
    outcomes, name
):
    directory = outcomes[name].result().directory
    try:
        problem = why_not_admitted(ModelPackage.load(directory))
    except ModelError as error:
        problem = str(error)
    assert problem
    assert "\n" not in problem


def test_the_good_ones_among_them_are_admitted(tmp_path):
    for make in (good_package, network_package):
        report = admit(make(tmp_path / make.__name__), limits=LIMITS)
        assert report.passed, report.reason
