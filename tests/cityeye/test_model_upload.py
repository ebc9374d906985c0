"""`cityeye models upload`: what is refused before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from cityeye.cli import main


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CITYEYE_TOKEN", "anything")

    def refused(place: Path, *words: str) -> str:
        api = ("--api", "http://127.0.0.1:9")
        assert main(["models", "upload", str(place), *words, *api]) == 1
        return capsys.readouterr().err

    return refused


def test_what_is_no_network_is_named(refused, tmp_path: Path, packages: Path) -> None:
    assert f"there is no file {tmp_path}/none.onnx" in refused(tmp_path / "none.onnx")
    file = tmp_path / "model.onnx"
    file.write_bytes(b"")
    assert "has no model.yaml, so it is no package" in refused(tmp_path)
    assert "has 0 bytes" in refused(file, "--name", "street")
    file.write_bytes(b"x")
    assert "--name is missing" in refused(file)
    assert "Street is no name of a model" in refused(file, "--name", "Street")
    assert "--size large is no size" in refused(file, "--name", "street", "--size", "large")
    assert "no control API answers at http://127.0.0.1:9" in refused(packages / "traffic" / "1")
