"""TLS with a certificate of the city's own: what runs beside it knows it by its fingerprint."""

from __future__ import annotations

from pathlib import Path

import pytest

from cityeye.access import fingerprint_of
from cityeye.city_client import CityClient
from cityeye.errors import CommandError
from event_hub.keyframes import FolderKeyframes
from event_hub.settings import HubSettings
from pipelines.access import TokenFile
from pipelines.delivery.sinks.http import HttpSink, HttpSinkSettings
from pipelines.delivery.sinks.sink import Delivery
from pipelines.errors import SinkUnavailable
from tests.certificates import self_signed
from tests.event_hub.samples import dump, incident
from tests.event_hub.thread import HubThread


def test_relay_and_commands_reach_a_hub_with_tls_by_its_fingerprint(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    fingerprint = fingerprint_of(certificate)
    settings = HubSettings(
        database=f"sqlite:///{tmp_path}/hub.db",
        console=False,
        access=tmp_path / "access",
        certificate=certificate,
        key=key,
    )
    with HubThread(settings, FolderKeyframes(tmp_path)) as hub:
        assert hub.url.startswith("https://127.0.0.1:")
        token = TokenFile(tmp_path / "access").first()

        def sink(pinned: str | None) -> HttpSink:
            known = {"url": f"{hub.url}/api/events", "token": token, "fingerprint": pinned}
            return HttpSinkSettings.model_validate(known).open()

        delivery = Delivery(1, 0, "i-1-1", "cam-1", dump(incident()))
        sink(fingerprint).deliver(delivery)
        for wrong in (None, "0" * 64):
            with pytest.raises(SinkUnavailable):
                sink(wrong).deliver(delivery)
        assert CityClient(hub.url, token, fingerprint).get("/health")["events"] == 1
        with pytest.raises(CommandError, match="no control API answers"):
            CityClient(hub.url, token, "0" * 64).get("/health")


def test_a_file_without_a_certificate_is_named(tmp_path: Path) -> None:
    assert fingerprint_of(None) is None
    (tmp_path / "eye.pem").write_text("nothing", encoding="ascii")
    with pytest.raises(CommandError, match=r"eye\.pem holds no certificate"):
        fingerprint_of(tmp_path / "eye.pem")
