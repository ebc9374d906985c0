"""Tokens on disk: private, salted, ended by another process, and valid for their time only."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.access import Scope, TokenFile, TokenFileError

HOUR = timedelta(hours=1)


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    tokens = TokenFile(tmp_path / "access")
    tokens.prepare()
    return tokens


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_first_token_is_good_for_everything_and_stays(tokens: TokenFile) -> None:
    first = tokens.first()
    known = tokens.check(first)
    assert known is not None
    assert (known.scope, known.expires_at) == (Scope.ADMIN, None)
    tokens.prepare()
    assert tokens.first() == first


def test_only_the_owner_can_read(tokens: TokenFile) -> None:
    tokens.issue("gate", Scope.SENDER)
    assert mode(tokens.folder) == 0o700
    assert {mode(path) for path in tokens.folder.iterdir()} == {0o600}


def test_folders_above_that_were_missing_are_the_owners_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        TokenFile(tmp_path / "new" / "var" / "access").prepare()
    finally:
        os.umask(before)
    made = [path for path in tmp_path.rglob("*") if path.is_dir()]
    assert len(made) == 3
    assert {mode(path) for path in made} == {0o700}


@pytest.mark.parametrize("name", ["tokens.json", "first-token"])
def test_a_file_that_others_can_read_is_refused(tokens: TokenFile, name: str) -> None:
    (tokens.folder / name).chmod(0o640)
    with pytest.raises(TokenFileError, match="chmod 600"):
        TokenFile(tokens.folder).first()


def test_no_secret_of_a_later_token_is_kept(tokens: TokenFile) -> None:
    text = tokens.issue("gate", Scope.SENDER)
    kept = (tokens.folder / "tokens.json").read_text()
    assert text.rpartition("_")[2] not in kept
    assert text not in kept
    salts = [one["salt"] for one in json.loads(kept)["tokens"]]
    assert len(set(salts)) == len(salts) == 2


def test_a_token_ends_with_its_time(tmp_path: Path) -> None:
    now = datetime(2026, 5, 4, tzinfo=UTC)
    tokens = TokenFile(tmp_path / "access", lambda: now)
    text = tokens.issue("guest", Scope.VIEWER, HOUR)
    assert tokens.check(text)
    now += HOUR
    assert tokens.check(text) is None
    assert tokens.tokens() == ()


def test_a_revoked_token_is_refused_by_another_process_at_once(tokens: TokenFile) -> None:
    text = tokens.issue("guest", Scope.VIEWER)
    other = TokenFile(tokens.folder)
    assert other.check(text)
    assert tokens.revoke("guest") == 1
    assert tokens.check(text) is None
    assert other.check(text) is None
    assert tokens.revoke("guest") == 0


def test_a_link_opens_nothing_and_is_exchanged_once(tokens: TokenFile) -> None:
    link = tokens.issue("link", Scope.OPERATOR, HOUR, once=True)
    assert tokens.check(link) is None
    session = tokens.exchange(link, "session", HOUR)
    assert session is not None
    known = tokens.check(session)
    assert known is not None
    assert (known.name, known.scope) == ("session", Scope.OPERATOR)
    assert tokens.exchange(link, "session", HOUR) is None


def test_a_session_ends_with_the_token_it_was_opened_with(tokens: TokenFile) -> None:
    owner = tokens.issue("owner", Scope.VIEWER, HOUR)
    session = tokens.exchange(owner, "session", 2 * HOUR)
    assert session is not None
    known, origin = tokens.check(session), tokens.check(owner)
    assert known is not None
    assert origin is not None
    assert known.expires_at == origin.expires_at
    assert tokens.revoke("owner") == 2
    assert tokens.check(session) is None


def test_a_token_that_replaces_another_ends_it(tokens: TokenFile) -> None:
    old = tokens.issue("relay", Scope.SENDER, replace=True)
    new = tokens.issue("relay", Scope.SENDER, replace=True)
    assert tokens.check(old) is None
    assert tokens.check(new)


@pytest.mark.parametrize("damage", [b"", b"{", b'{"version": 3, "tokens": []}', b"[]"])
def test_a_damaged_file_lets_nobody_in(tokens: TokenFile, damage: bytes) -> None:
    first = tokens.first()
    (tokens.folder / "tokens.json").write_bytes(damage)
    other = TokenFile(tokens.folder)
    for _ in range(2):
        with pytest.raises(TokenFileError, match="cannot be understood"):
            other.check(first)
    with pytest.raises(TokenFileError, match="cannot be understood"):
        other.issue("gate", Scope.SENDER)


def test_without_tokens_nobody_is_let_in(tmp_path: Path, tokens: TokenFile) -> None:
    empty = TokenFile(tmp_path / "nowhere")
    assert empty.check(tokens.first()) is None
    with pytest.raises(TokenFileError, match="holds no token yet"):
        empty.first()


def issue_many(folder: Path, name: str, count: int) -> None:
    for number in range(count):
        TokenFile(folder).issue(f"{name}-{number}", Scope.VIEWER)


def test_processes_that_make_tokens_at_once_lose_none(tokens: TokenFile) -> None:
    context = multiprocessing.get_context("fork")
    makers = [
        context.Process(target=issue_many, args=(tokens.folder, name, 10)) for name in ("a", "b")
    ]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join(30)
        assert maker.exitcode == 0
    assert len(tokens.tokens()) == 21


def test_scopes_include_each_other_in_order() -> None:
    order = [Scope.VIEWER, Scope.OPERATOR, Scope.ENGINEER, Scope.ADMIN]
    for number, scope in enumerate(order):
        assert [scope.allows(other) for other in order] == [
            position <= number for position in range(4)
        ]
    assert [one.allows(Scope.SENDER) for one in order] == [False, False, False, True]
    assert not any(Scope.SENDER.allows(one) for one in order)
