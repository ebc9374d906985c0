"""The hostile files on their way in: none becomes a package, none leaves anything behind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from model_tools.importing.importer import ValidationImages, import_model
from model_tools.importing.request import ImportRequest
from models.errors import ModelError
from tests.model_tools.hostile import FILES, RUNS, Maker
from tests.model_tools.hostile_graphs import endless_loop
from tests.models.tiny import LABELS, random_images

pytestmark = pytest.mark.slow

AT_ONCE = 3
LOOKED_AT = (
    "weights at an absolute path",
    "weights above the folder",
    "weights of a function",
    "custom operator",
    "shadowing function",
    "functions that double",
    "branches in branches",
    "huge tensor",
    "truncated file",
    "pickle",
    "zip",
    "nothing",
    "a million nodes",
)
RUN = ("constant that explodes", "tiling that explodes", "unknown operator", "scores above one")
CASES: dict[str, tuple[Maker, str]] = {
    "endless loop": (endless_loop, "did not finish running the network once within"),
    **{name: FILES[name] for name in LOOKED_AT},
    **{name: RUNS[name] for name in RUN},
}


@dataclass
class Attempt:
    """How an import ended, and what is in the folder afterwards."""

    problem: str
    left: list[str]


def attempt(name: str, root: Path) -> Attempt:
    made = CASES[name][0]()
    file = root / "given.onnx"
    file.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
    request = ImportRequest(name="tiny", file=file.name, labels=LABELS)
    problem = ""
    try:
        import_model(
            file,
            request,
            root / "repository",
            lambda _: ValidationImages(random_images(3), "noise"),
        )
    except ModelError as error:
        problem = str(error)
    return Attempt(problem, sorted(str(one.relative_to(root)) for one in root.rglob("*")))


@pytest.fixture(scope="module")
def attempts(tmp_path_factory) -> Iterator[dict[str, Future[Attempt]]]:
    roots = {name: tmp_path_factory.mktemp("import") for name in CASES}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {name: pool.submit(attempt, name, root) for name, root in roots.items()}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_with_its_reason_and_leaves_nothing(attempts, name):
    done = attempts[name].result()
    assert re.search(CASES[name][1], done.problem), done.problem
    assert "\n" not in done.problem
    assert done.left == ["given.onnx"]
