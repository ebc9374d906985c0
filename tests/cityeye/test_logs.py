"""Log lines carry facts, one record per line, and never a login."""

from __future__ import annotations

import io
import json
import logging
import stat
import warnings
from datetime import UTC, datetime, timedelta

import pytest

from cityeye.logs import LogFormat, log_settings, log_to_file, redact, set_up_logs
from serving.api import ApiAccess, ServerLogs
from tests import small_disk


@pytest.fixture
def written():
    """A stream that gets the process's logs for the length of a test."""
    # An earlier test of this process may have captured them already; once more does nothing.
    logging.captureWarnings(capture=False)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    stream = io.StringIO()
    yield stream
    root.handlers = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("open rtsp://viewer:hunter2@10.0.0.5/live now", "open rtsp://***@10.0.0.5/live now"),
        ("rtsp://viewer:hun/ter2@10.0.0.5/live", "rtsp://***@10.0.0.5/live"),
        ("rtsp://viewer:hun@ter2@10.0.0.5/live", "rtsp://***@10.0.0.5/live"),
        (
            "'rtsp://a:hunter2@b/x' and 'rtsp://c:hunter2@d/y'",
            "'rtsp://***@b/x' and 'rtsp://***@d/y'",
        ),
        ("postgresql+psycopg://city:hunter2@db/hub", "postgresql+psycopg://***@db/hub"),
        ("rtsp://h/user=a&password=hunter2&x=1", "rtsp://h/user=a&password=***&x=1"),
        ("http://hub/events?token=hunter2", "http://hub/events?token=***"),
        ("rtsp://10.0.0.5:554/live", "rtsp://10.0.0.5:554/live"),
        ("mail to city@example.org", "mail to city@example.org"),
    ],
)
def test_redaction(text, clean):
    assert redact(text) == clean


@pytest.mark.parametrize("log_format", list(LogFormat))
def test_no_login_reaches_a_line_whatever_carries_it(written, log_format):
    set_up_logs(log_format, "info", written)
    url = "rtsp://viewer:hunter2@10.0.0.5/live"
    log = logging.getLogger("camera_adapters.rtsp")
    log.warning("camera.failed %s", url)
    log.warning("camera.failed", extra={"address": url, "parts": [url]})
    try:
        raise OSError(1, "no route", url)
    except OSError:
        log.exception("camera.failed")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn(f"cannot open {url}", ResourceWarning, stacklevel=1)
    assert written.getvalue().count("10.0.0.5") >= 5
    assert "hunter2" not in written.getvalue()


def test_json_lines_carry_the_facts(written):
    set_up_logs(LogFormat.JSON, "info", written)
    logging.getLogger("pipelines.delivery.outbox").info(
        "outbox.drained %d", 3, extra={"camera": "gate", "events": 3, "late": None}
    )
    entry = json.loads(written.getvalue())
    assert entry.pop("time").endswith("+00:00")
    assert entry == {
        "level": "info",
        "logger": "pipelines.delivery.outbox",
        "event": "outbox.drained 3",
        "camera": "gate",
        "events": 3,
        "late": None,
    }


def test_text_is_one_line_per_record_and_respects_the_level(written):
    set_up_logs(LogFormat.TEXT, "info", written)
    log = logging.getLogger("serving.city")
    log.debug("city.thinking")
    log.info("city.started\nin two lines", extra={"cameras": 8})
    (line,) = written.getvalue().splitlines()
    assert line.endswith("INFO    serving.city  city.started in two lines cameras=8")
    said = datetime.fromisoformat(line[: len("2026-11-27 09:30:01+08:00")])
    assert abs(datetime.now(UTC) - said) < timedelta(minutes=5)


def test_a_log_file_has_the_format_of_the_program(written, tmp_path):
    set_up_logs(LogFormat.JSON, "info", written)
    log_format, _ = log_settings()
    log_to_file(tmp_path / "worker.log", log_format)
    facts = {"camera": "gate", "incident": "i-1"}
    logging.getLogger("pipelines.evidence").info("incident.%s", "started", extra=facts)
    entry = json.loads((tmp_path / "worker.log").read_text("utf-8"))
    assert datetime.fromisoformat(entry.pop("time")).tzinfo is not None
    assert entry == {
        "level": "info",
        "logger": "pipelines.evidence",
        "event": "incident.started",
        **facts,
    }
    logging.getLogger().handlers[-1].close()


@pytest.mark.slow
def test_a_log_file_loses_lines_on_a_full_disk_and_says_how_many(tmp_path):
    (tmp_path / "disk").mkdir()
    small_disk.run("tests.cityeye.full_log", "full", tmp_path / "disk")


def test_a_log_file_is_readable_by_its_owner_alone(tmp_path):
    log_to_file(tmp_path / "worker.log")
    logging.getLogger("test").warning("who stood there")
    logging.getLogger().handlers[-1].close()
    assert stat.S_IMODE((tmp_path / "worker.log").stat().st_mode) == 0o600


def test_servers_of_ray_write_their_logs_alike(written, tmp_path):
    logs = ServerLogs(set_up=log_to_file, folder=tmp_path, log_format="json")
    access = ApiAccess(tokens=tmp_path / "access", hosts=frozenset({"localhost"}), logs=logs)
    # It reaches them in a variable of the environment.
    there = ApiAccess.model_validate_json(access.model_dump_json())
    there.log_to("proxy.log")
    logging.getLogger("pipelines.access.gate").error("tokens_unreadable", extra={"reason": "gone"})
    entry = json.loads((tmp_path / "proxy.log").read_text("utf-8"))
    assert (entry["event"], entry["reason"]) == ("tokens_unreadable", "gone")
    logging.getLogger().handlers[-1].close()


def test_a_node_without_the_folder_leaves_its_log_to_ray(written, tmp_path):
    set_up_logs(LogFormat.TEXT, "info", written)
    logs = ServerLogs(set_up=log_to_file, folder=tmp_path / "elsewhere", log_format="json")
    access = ApiAccess(tokens=tmp_path / "access", hosts=frozenset(), logs=logs)
    access.log_to("proxy.log")
    logging.getLogger("pipelines.access.gate").error("tokens_unreadable")
    assert "tokens_unreadable" in written.getvalue()
    assert not (tmp_path / "elsewhere").exists()
