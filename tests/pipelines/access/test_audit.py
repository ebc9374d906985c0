"""The audit trail: whoever saw something is in it, after a restart, a torn line and a full file."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.access.audit import AuditError, AuditFilter, AuditTrail
from pipelines.access.audit_file import FILES
from pipelines.access.caller import Caller
from pipelines.access.scope import Scope

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
TOKEN = Caller("0123456789ab", "shift leader", Scope.OPERATOR, parent="abc")


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
    own = trail(tmp_path, file_bytes=800)
    for number in range(3 * FILES):
        own.note(TOKEN, "key", f"reason {number}")
    files = list((tmp_path / "audit").glob("*.jsonl"))
    assert len(files) == FILES
    assert max(file.stat().st_size for file in files) <= 800
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


def test_failed_logins_push_nothing_else_out(tmp_path):
    own = trail(tmp_path, file_bytes=800)
    own.note(TOKEN, "key", "the only look")
    own.note(TOKEN, "zhang", "the only change", "user.added")
    for number in range(5 * FILES):
        own.note(None, "somebody", f"login {number}", "login.refused")
    found = own.entries(1000)
    assert {"the only look", "the only change"} <= {one.reason for one in found}
    assert FILES < len(found) < 5 * FILES


def test_it_is_paged_and_filtered_over_both_kinds_of_files(tmp_path):
    now = AT
    own = AuditTrail(tmp_path / "audit", "hub", lambda: now, 1500)
    for number in range(30):
        now = AT + timedelta(seconds=number)
        action = ("evidence.seen", "user.added", "user.removed")[number % 3]
        own.note(TOKEN, f"key {number}", f"reason {number}", action)
    pages, before = [], None
    while True:
        page, before = own.page(7, before=before)
        pages.append(page)
        if before is None:
            break
    assert [one.reason for page in pages for one in page] == [
        f"reason {number}" for number in reversed(range(30))
    ]
    assert [one.reason for one in own.entries(3, AuditFilter(action="user"))] == [
        "reason 29",
        "reason 28",
        "reason 26",
    ]
    late = AuditFilter(action="user.added", since=AT + timedelta(seconds=25))
    assert [one.reason for one in own.entries(9, late)] == ["reason 28", "reason 25"]
    for nonsense in ("x", "1_2_3", "1.1_2.2", "a.b_-_-"):
        with pytest.raises(ValueError, match="of no page"):
            own.page(7, before=nonsense)


def test_what_was_altered_or_removed_is_found(tmp_path):
    own = trail(tmp_path)
    for number in range(9):
        own.note(TOKEN, "key", f"reason {number}")
    assert own.problems() == []
    files = sorted((tmp_path / "audit").glob("*.jsonl"))
    assert len(files) > 1
    whole = files[0].read_bytes()
    files[0].write_bytes(whole.replace(b"reason 1", b"reason 7"))
    assert own.problems() == [
        "evidence-000001.jsonl: before line 3 something was altered or removed"
    ]
    lines = whole.splitlines(keepends=True)
    files[0].write_bytes(b"".join(lines[:1] + lines[2:]))
    assert "line 2" in own.problems()[0]
    files[0].write_bytes(b"".join(lines[:-1]))
    assert "evidence-000002.jsonl: before line 1" in own.problems()[0]
    files[0].write_bytes(whole)
    assert own.problems() == []


def test_a_torn_line_and_what_older_programs_wrote_are_no_damage(tmp_path):
    folder = tmp_path / "audit"
    own = trail(tmp_path)
    own.note(TOKEN, "key", "as today")
    (file,) = folder.glob("*.jsonl")
    old = (
        file.read_bytes()
        .replace(b', "previous": ""', b"")
        .replace(b', "action": "evidence.seen"', b"")
    )
    file.write_bytes(old * 2)
    own.note(TOKEN, "key", "the third one")
    with file.open("ab") as torn:
        torn.write(b'{"at": "2026-03-')
    own.note(TOKEN, "key", "the last one")
    assert own.problems() == []
    assert reasons(tmp_path) == ["the last one", "the third one", "as today", "as today"]
    file.write_bytes(file.read_bytes().replace(b"third", b"other"))
    # The line behind it was torn; the one after that stands for both.
    assert "before line 5" in own.problems()[0]
