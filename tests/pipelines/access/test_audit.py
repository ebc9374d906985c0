"""The audit trail: whoever saw something is in it, after a restart, a torn line and a full file."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.access.audit import FILES, AuditError, AuditTrail
from pipelines.access.scope import Scope
from pipelines.access.token import new_token

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
TOKEN, _ = new_token("shift leader", Scope.OPERATOR, AT, parent="abc")


def trail(folder: Path, server: str = "api", file_bytes: int = 1000) -> AuditTrail:
    return AuditTrail(folder / "audit", server, lambda: AT, file_bytes)


def reasons(folder: Path, limit: int = 1000) -> list[str]:
    return [one.reason for one in trail(folder).entries(limit)]


def test_it_says_who_what_when_and_why_after_a_restart(tmp_path):
    trail(tmp_path).note(TOKEN, "ev-7d/v1/x.mp4", "asked for by\n the police")
    (entry,) = trail(tmp_path).entries(10)
    assert (entry.at, entry.token, entry.name, entry.parent) == (AT, TOKEN.id, TOKEN.name, "abc")
    assert (entry.key, entry.server) == ("ev-7d/v1/x.mp4", "api")
    # One entry is one line, whatever is written into a reason.
    assert entry.reason == "asked for by the police"


def test_two_servers_write_one_trail_and_the_newest_comes_first(tmp_path):
    api, hub = trail(tmp_path), trail(tmp_path, "hub")
    for number in range(6):
        (api, hub)[number % 2].note(TOKEN, "key", f"reason {number}")
    assert reasons(tmp_path, 3) == ["reason 5", "reason 4", "reason 3"]
    assert [one.server for one in hub.entries(2)] == ["hub", "api"]


def test_it_is_bounded_and_loses_the_oldest(tmp_path):
    own = trail(tmp_path, file_bytes=400)
    for number in range(3 * FILES):
        own.note(TOKEN, "key", f"reason {number}")
    files = list((tmp_path / "audit").glob("*.jsonl"))
    assert len(files) == FILES
    assert max(file.stat().st_size for file in files) <= 400
    found = reasons(tmp_path)
    newest = [f"reason {number}" for number in reversed(range(3 * FILES))]
    assert found == newest[: len(found)]
    assert len(found) >= FILES


def test_a_torn_line_costs_no_other(tmp_path):
    own = trail(tmp_path)
    own.note(TOKEN, "key", "the first one")
    (file,) = (tmp_path / "audit").glob("*.jsonl")
    with file.open("ab") as torn:
        torn.write(b'{"at": "2026-03-')
    own.note(TOKEN, "key", "the second one")
    assert reasons(tmp_path) == ["the second one", "the first one"]


def test_nobody_else_can_read_it(tmp_path):
    trail(tmp_path).note(TOKEN, "key", "reason of mine")
    folder = tmp_path / "audit"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_what_cannot_be_noted_is_an_error(tmp_path):
    (tmp_path / "audit").write_bytes(b"")
    with pytest.raises(AuditError, match="check the disk"):
        trail(tmp_path).note(TOKEN, "key", "reason of mine")
