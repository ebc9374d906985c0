"""`cityeye models fetch`: from the catalogue to a package that may serve."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import onnx
import pytest

import model_tools.catalogue
from cityeye.cli import main
from cityeye.model_import import COCO, labels_from
from model_tools.catalogue import CatalogueEntry, catalogue
from models.admission import why_not_admitted
from models.package import Thresholds
from models.repository import ModelRepository
from tests.model_tools.networks import decoded_yolox_network

COCO_CLASSES = 80


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """What the server has, and a person may bring along."""
    folder = tmp_path / "files"
    folder.mkdir()
    onnx.save_model(decoded_yolox_network(COCO_CLASSES), str(folder / "net.onnx"))
    return folder


@pytest.fixture
def address(files: Path) -> Iterator[str]:
    handler = functools.partial(QuietHandler, directory=str(files))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/net.onnx"
        server.shutdown()


@pytest.fixture(autouse=True)
def listed(files: Path, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = (files / "net.onnx").read_bytes()
    blob = b"blob %d\0" % len(data) + data
    entry = CatalogueEntry(
        name="drawn", file="net.onnx", address=address, size=len(data), licence="MIT",
        blob=hashlib.sha1(blob, usedforsecurity=False).hexdigest(),
        sha256=hashlib.sha256(data).hexdigest(), head="yolox-decoded", good_for="tests",
        thresholds=Thresholds(default=0.4, classes={"car": 0.3}), thresholds_from="Drawn by lot.",
    )  # fmt: skip
    monkeypatch.setattr(model_tools.catalogue, "catalogue", lambda: {**catalogue(), "drawn": entry})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def test_the_list_names_every_detector_and_what_was_not_tried(capsys):
    assert main(["models", "fetch"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in catalogue())
    assert "not tried" in " ".join(said.split())


def test_an_unknown_name_is_answered_with_the_known_ones(capsys):
    assert main(["models", "fetch", "yolo9000"]) == 1
    assert "the catalogue has no yolo9000; it has deimv2-femto" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("brought", [False, True])
def test_a_detector_becomes_an_admitted_package_once(tmp_path, files, capsys, brought):
    words = ["models", "fetch", "drawn", *(["--from", str(files)] if brought else [])]
    assert main(words) == 0
    package = ModelRepository(tmp_path / "packages").find("drawn")
    assert why_not_admitted(package) == ""
    assert package.manifest.thresholds == Thresholds(default=0.4, classes={"car": 0.3})
    assert "  thresholds     0.4; car 0.3\n" in capsys.readouterr().out
    card = (package.directory / "CARD.md").read_text("utf-8")
    assert "- car: 0.3\n- every other class: 0.4\n\nDrawn by lot. " in card
    assert package.manifest.licence == "MIT"
    assert len(package.labels) == COCO_CLASSES
    assert (tmp_path / "cache" / "cityeye" / "weights" / "net.onnx").exists() is not brought
    assert main(words) == 0
    assert "--again makes another version" in capsys.readouterr().out
    assert ModelRepository(tmp_path / "packages").versions("drawn") == ("1",)


def test_a_file_that_somebody_brought_is_checked(files, tmp_path, capsys):
    (files / "net.onnx").write_bytes(b"another")
    assert main(["models", "fetch", "drawn", "--from", str(files)]) == 1
    assert "is not the file of the catalogue" in capsys.readouterr().err
    assert main(["models", "fetch", "drawn", "--from", str(tmp_path)]) == 1
    assert f"there is no net.onnx in {tmp_path}; it comes from" in capsys.readouterr().err
    assert not (tmp_path / "packages").exists()


def test_every_measured_threshold_is_of_a_class_that_the_detector_has_and_says_how():
    labels = labels_from(COCO)
    measured = [entry for entry in catalogue().values() if entry.thresholds is not None]
    assert len(measured) > 3
    for entry in measured:
        assert set(entry.thresholds.classes) <= set(labels)
        assert entry.tried
        assert entry.thresholds_from.endswith(".")
