"""`cityeye events export-disputed` against a real hub: what is written, and what is said of it."""

from __future__ import annotations

import json
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest

from cityeye.cli import main
from model_tools.evaluation import read_dataset
from tests.event_hub.cases.conftest import actor
from tests.event_hub.conftest import Client
from tests.event_hub.samples import START, incident, keyframe, picture
from tests.event_hub.test_evidence import put

STORED, GONE = "kf-30d/v1/2026/11/20/cam-1/04/a.jpg", "kf-30d/v1/2026/11/20/cam-1/04/b.jpg"


@pytest.fixture
def false_alarms(hub: Client, tmp_path: Path) -> Client:
    """Three of two cameras, one of them a duplicate, with a keyframe that is gone."""
    put(tmp_path / "kf", STORED, picture())
    there, gone = keyframe(STORED, picture()), keyframe(GONE, picture(30), "peak")
    hub.post(incident("first", keyframes=[there]))
    hub.post(incident("second", keyframes=[there, gone], opened_at=START + timedelta(days=1)))
    hub.post(incident("again", keyframes=[there], camera={"id": "cam-2"}))
    act = actor(hub)
    for name, reason in (("first", "allowed"), ("second", "poor_view"), ("again", "duplicate")):
        assert act("false-alarm", name, revision=0, reason=reason)[0] == 200
    return hub


def export(*words: str, status: int = 0) -> None:
    assert main(["events", "export-disputed", *words]) == status


@pytest.mark.usefixtures("false_alarms")
def test_a_folder_is_read_as_coco(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export(str(tmp_path / "set"))
    said = capsys.readouterr().out
    assert "set: 2 keyframes of 2 false alarms, 2 boxes" in said
    assert f"left out: {GONE} of second: it is not in the store any more" in said
    assert "1 incidents called a duplicate" in said
    found = read_dataset(tmp_path / "set" / "annotations.json", ["car"])
    assert len(found.images) == 2
    assert {one.path.read_bytes() for one in found.images} == {picture()}
    assert [one.name for one in tmp_path.glob(".export-*")] == []


@pytest.mark.usefixtures("false_alarms")
def test_a_zip_file_holds_what_was_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "new" / "set.zip"
    export(str(file), "--limit", "1")
    assert "1 older incidents; they come with a larger --limit or --until 2026-" in (
        capsys.readouterr().out
    )
    with zipfile.ZipFile(file) as archive:
        (image,) = json.loads(archive.read("annotations.json"))["images"]
    assert image["attributes"]["incident_id"] == "second"
    export(str(tmp_path / "older"), "--until", "2026-11-21T00:00:00Z", "--camera", "cam-1")
    assert "1 keyframes of 1 false alarms" in capsys.readouterr().out


@pytest.mark.usefixtures("false_alarms")
def test_what_cannot_be_written_is_refused_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    export(str(tmp_path / "there"), status=1)
    assert "is there already" in capsys.readouterr().err
    (tmp_path / "closed").write_text("")
    export(str(tmp_path / "closed" / "set"), status=1)
    assert "closed: File exists); name another place" in capsys.readouterr().err
    monkeypatch.setenv("CITYEYE_HUB", "http://127.0.0.1:9")
    monkeypatch.setenv("CITYEYE_TOKEN", "anything")
    export(str(tmp_path / "unheard"), status=1)
    assert "no event hub answers at http://127.0.0.1:9" in capsys.readouterr().err
    assert not (tmp_path / "unheard").exists()
