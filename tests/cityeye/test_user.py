"""`cityeye user` and `cityeye group`: an administrator at the command line, against a real hub."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import pytest

from cityeye.cli import main
from pipelines.access import TokenFile
from tests.event_hub.conftest import Client
from tests.event_hub.people import Browser

PASSWORD = "correct horse battery"
TEN_MINUTES = timedelta(minutes=10)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    def say(*words: str, typed: str = "", status: int = 0) -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        assert main(list(words)) == status
        said = capsys.readouterr()
        assert PASSWORD not in said.out + said.err
        return (said.err if status else said.out).strip()

    return say


def test_a_user_from_the_first_day_to_the_last(hub: Client, say, tmp_path: Path) -> None:
    say(
        "group", "set", "north", "--camera", "gate-*", "--camera", "yard", "--city", "510118-Xinjin"
    )
    assert say("group", "list") == (
        "north  camera=gate-*+city=510118-Xinjin, camera=yard+city=510118-Xinjin"
    )
    words = ("user", "add", "Zhang", "--role", "operator", "--group", "north")
    assert "zhang" in say(*words, typed=f"{PASSWORD}\n")
    assert say("user", "list") == "zhang  operator  north"
    assert Browser(hub.url).log_in("zhang", PASSWORD).status == 303
    assert "zhang" in say("group", "rm", "north", status=1)
    say("user", "change", "Zhang", "--role", "viewer", "--all-cameras")
    assert say("user", "list") == "zhang  viewer    all cameras"
    (tmp_path / "new").write_text("another long one\n", encoding="utf-8")
    say("user", "passwd", "zhang", "--password-file", str(tmp_path / "new"))
    assert Browser(hub.url).log_in("zhang", PASSWORD).status == 401
    assert Browser(hub.url).log_in("zhang", "another long one").status == 303
    say("user", "disable", "zhang")
    assert "disabled since" in say("user", "list")
    assert Browser(hub.url).log_in("zhang", "another long one").status == 401
    say("user", "enable", "zhang")
    assert Browser(hub.url).log_in("zhang", "another long one").status == 303
    say("user", "rm", "zhang")
    assert say("user", "list") == ""
    say("group", "rm", "north")


def test_what_is_wrong_is_one_sentence(hub: Client, say) -> None:
    words = ("user", "add", "li", "--role")
    assert "characters" in say(*words, "viewer", typed="short\n", status=1)
    assert "role" in say(*words, "king", typed=f"{PASSWORD}\n", status=1)
    missing = say(*words, "viewer", "--group", "none", typed=f"{PASSWORD}\n", status=1)
    assert "no camera group none" in missing
    assert "no user li" in say("user", "disable", "li", status=1)
    assert "give --camera" in say("group", "set", "north", status=1)
    away = say("user", "list", "--hub", "http://127.0.0.1:9", status=1)
    assert "no city of this user answers" in away


def test_a_token_is_limited_to_groups_too(hub: Client, say, tmp_path: Path) -> None:
    words = ("token", "new", "wall", "--state", str(tmp_path), "--group", "north")
    token = say(*words, "--scope", "viewer")
    browser = Browser(hub.url, headers={"Authorization": f"Bearer {token}"})
    assert browser.ask("GET", "/api/me").json()["groups"] == ["north"]
    session = TokenFile(tmp_path / "access").exchange(token, "session", TEN_MINUTES)
    assert session is not None
    known = TokenFile(tmp_path / "access").check(session)
    assert known is not None
    assert known.groups == ("north",)
    assert "(north)" in say("token", "list", "--state", str(tmp_path))
    assert "no group" in say(*words, "--scope", "sender", status=1)
