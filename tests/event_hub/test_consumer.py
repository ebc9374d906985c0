"""Who knows only what is published can read everything that a hub gives away."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from cityeye.errors import OUR_PACKAGES
from pipelines.access import Scope, TokenFile
from pipelines.event_examples import event_examples
from tests.event_hub import consumer
from tests.event_hub.conftest import Client
from tests.event_hub.samples import dump, incident
from tests.event_hub.test_api import BATCH

PROGRAM = Path(consumer.__file__)


def consumed(hub: Client, folder: Path) -> subprocess.CompletedProcess[str]:
    token = TokenFile(folder / "access").issue("consumer", Scope.VIEWER, replace=True)
    command = [sys.executable, "-I", str(PROGRAM), hub.url, token]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_consumer_knows_nothing_of_this_program() -> None:
    for node in ast.walk(ast.parse(PROGRAM.read_text("utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [one.name for one in node.names] if isinstance(node, ast.Import) else []
        assert not {name.partition(".")[0] for name in names} & {*OUR_PACKAGES, "tests"}


def test_every_type_is_read_by_its_schema_alone(hub: Client, tmp_path: Path) -> None:
    events = [one.model_dump(mode="json") for one in event_examples().values()]
    started, updated, ended, *others = events
    for one in (ended, started, *others, updated, started):
        assert hub.post(one).status == 200
    done = consumed(hub, tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    # Heartbeats are not stored.
    assert said["events"] == len(events) - 1
    assert list(said["incidents"].values()) == ["ended"]


@pytest.mark.parametrize("change", [{"level": 9}, {"severity": "high", "subjects": "none"}])
def test_the_schemas_notice_what_is_wrong(hub: Client, tmp_path: Path, change: dict) -> None:
    # The hub itself refuses it; one of another major version passes through a hub as it is.
    event = incident() | {"dataschema": "urn:cityeye:schema:incident:2", "incarnation": 1}
    event["data"] |= change
    assert hub.post(dump([event]), {"Content-Type": BATCH}).status == 422
    passed = event | {"dataschema": "urn:cityeye:schema:incident:1"}
    assert hub.post(passed).status == 200
    done = consumed(hub, tmp_path)
    assert (done.returncode, "ValidationError" in done.stderr) == (1, True)
