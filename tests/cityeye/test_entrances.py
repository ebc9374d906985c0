"""The address of a keyframe in events is one that the configuration says others can use."""

from __future__ import annotations

import pytest

from cityeye.entrances import keyframe_address
from tests.certificates import self_signed
from tests.cityeye.small_city import CITY, problem_of

HUB = "http://127.0.0.1:8612"
TLS = "certificate: eye.pem, key: eye.key"


@pytest.mark.parametrize(
    ("hub", "expected"),
    [
        ("{}", "http://127.0.0.1:8612"),
        ("{port: 0}", "http://127.0.0.1:8612"),
        ("{host: 0.0.0.0, without_tls: true}", "http://127.0.0.1:8612"),
        (f"{{host: 10.1.2.3, {TLS}}}", "https://10.1.2.3:8612"),
        (f"{{host: 10.1.2.3, hosts: [eye.city.example], {TLS}}}", "https://eye.city.example:8612"),
        (
            "{host: 10.1.2.3, without_tls: true, address: https://eye.city.example/}",
            "https://eye.city.example",
        ),
    ],
)
def test_that_of_the_hub(load_city, tmp_path, hub, expected):
    certificate, key = self_signed(tmp_path)
    certificate.rename(tmp_path / "eye.pem")
    key.rename(tmp_path / "eye.key")
    config = load_city(CITY.replace("hub: {}", f"hub: {hub}"))
    assert keyframe_address(config, HUB) == f"{expected}/api/keyframes/"


@pytest.mark.parametrize(
    ("api", "expected"),
    [
        ("{}", "http://127.0.0.1:8500/keyframes/"),
        ("{port: 8512}", "http://127.0.0.1:8512/keyframes/"),
        ("{address: 'https://eye.city.example:8443'}", "https://eye.city.example:8443/keyframes/"),
        ("{port: 0}", ""),
    ],
)
def test_that_of_the_control_api_where_there_is_no_hub(load_city, api, expected):
    sinks = "sinks: [{url: http://hub.example/events}]"
    config = load_city(CITY.replace("hub: {}", f"api: {api}\n{sinks}"))
    assert keyframe_address(config, None) == expected


@pytest.mark.parametrize(
    "address",
    [
        "eye.city.example",
        "https://eye.city.example/hub",
        "https://me:secret@eye",
        "ftp://eye",
        "''",
    ],
)
def test_an_address_that_is_none_is_a_mistake(load_city, address):
    problem = problem_of(load_city, CITY.replace("hub: {}", f"hub: {{address: {address}}}"))
    assert "hub.address" in str(problem.key)
    assert "secret" not in str(problem)
