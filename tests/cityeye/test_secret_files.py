"""A secret in a file of its own is read like any other, and nothing of it is ever said."""

from __future__ import annotations

import os

import pytest

from cityeye.config import ConfigurationError
from tests.cityeye.small_city import CITY, problem_of

LOGIN = "username: admin\n    password_file: {}\n    tasks:"


def filed(tmp_path, content: bytes, mode: int = 0o600) -> str:
    path = tmp_path / "gate.secret"
    path.write_bytes(content)
    path.chmod(mode)
    return CITY.replace("tasks:", LOGIN.format("gate.secret"))


@pytest.mark.parametrize(
    "content", [b"hunter2", b"hunter2\n", b"hunter2\r\n", b"\xef\xbb\xbfhunter2"]
)
def test_a_password_is_read_from_a_file(load_city, tmp_path, content):
    config = load_city(filed(tmp_path, content))
    credentials = config.plans[0].camera.credentials
    assert credentials is not None
    assert (credentials.username, credentials.password) == ("admin", "hunter2")
    assert not config.warnings
    assert "hunter2" not in repr(config)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "does not hold one line"),
        (b"\n", "does not hold one line"),
        (b"hunter2\nhunter3\n", "does not hold one line"),
        (b"hunter2" * 4000, "does not hold one line"),
        (b"\xffhunter2", "not UTF-8"),
    ],
)
def test_a_file_that_holds_no_secret(load_city, tmp_path, content, said):
    problem = problem_of(load_city, filed(tmp_path, content))
    assert (problem.key, problem.line) == ("cameras[0].password_file", 5)
    assert said in problem.what
    assert "hunter" not in str(problem)


def test_a_file_that_cannot_be_read_is_named_by_its_key(load_city, tmp_path):
    text = CITY.replace("tasks:", LOGIN.format("gone"))
    assert "no such file" in problem_of(load_city, text).what
    os.mkfifo(tmp_path / "gone")
    assert "not a file" in problem_of(load_city, text).what
    twice = CITY.replace("tasks:", "password: x\n    " + LOGIN.format("gone"))
    assert "`password` is given too" in problem_of(load_city, twice).what
    assert "not the path" in problem_of(load_city, CITY.replace("tasks:", LOGIN.format("[a]"))).what


def test_a_file_that_everybody_may_read_is_warned_about_and_one_to_write_is_refused(
    load_city, tmp_path
):
    (warning,) = load_city(filed(tmp_path, b"hunter2", 0o644)).warnings
    assert (warning.key, warning.line) == ("cameras[0].password_file", 5)
    assert "may read" in warning.what
    assert "hunter2" not in str(warning)
    assert not load_city(filed(tmp_path, b"hunter2", 0o640)).warnings
    assert "may write" in problem_of(load_city, filed(tmp_path, b"hunter2", 0o666)).what


def test_every_secret_may_be_in_a_file(load_city, tmp_path):
    secrets = {
        "a": "AKIA",
        "s": "hunter2",
        "w": "whsec_" + "aHVu" * 10,
        "t": "hunter3",
        "d": "sqlite:///own.db",
    }
    for name, secret in secrets.items():
        (tmp_path / name).write_text(f"{secret}\n", "utf-8")
        (tmp_path / name).chmod(0o600)
    store = "endpoint: 'https://s3', bucket: frames, access_key_file: a, secret_key_file: s"
    settings = load_city(
        CITY.replace("hub: {}", "hub: {database_file: d}")
        + f"keyframes: {{s3: {{{store}}}}}\n"
        + "sinks: [{url: 'http://hub/events', secret_file: w, token_file: t}]\n"
    ).settings
    assert settings.keyframes.s3 is not None
    assert settings.keyframes.s3.access_key.get_secret_value() == "AKIA"
    assert settings.keyframes.s3.secret_key.get_secret_value() == "hunter2"
    (sink,) = settings.sinks
    assert sink.secret.get_secret_value() == secrets["w"]
    assert sink.token.get_secret_value() == "hunter3"
    assert settings.hub is not None
    assert settings.hub.database.get_secret_value() == f"sqlite:///{tmp_path}/own.db"


def test_a_mistake_in_a_secret_names_the_key_of_its_file(load_city, tmp_path):
    (tmp_path / "w").write_text("hunter2", "utf-8")
    sink = "sinks: [{url: 'http://hub/events', secret_file: w}]"
    with pytest.raises(ConfigurationError) as caught:
        load_city(CITY.replace("hub: {}", sink))
    assert {problem.key for problem in caught.value.problems} == {"sinks[0].secret_file"}
    assert "hunter2" not in str(caught.value)
