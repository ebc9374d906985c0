"""The control API of a running city behind Serve's proxy: credentials, bombs and slow callers."""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psutil
import pytest
from ray.serve.context import _get_global_client as get_client

from pipelines.access import Scope
from serving.api.access import LONGEST_REQUEST_S, ROUTES
from serving.api.control_api import MAX_WAITING, api
from serving.city import City
from tests.api_fuzzing import server_errors
from tests.camera_adapters.clips import TinyClip
from tests.levels import scaled
from tests.pipelines.access.tokens import credentials, needed_scope
from tests.pipelines.delivery.http_receiver import Receiver
from tests.processes import peak_mib, reset_peak
from tests.serving.api.test_access import png_claiming, routes
from tests.serving.cities import city_plan
from tests.serving.conftest import RunningCluster
from tests.serving.packages import brightness_package

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]

MIB = 1024 * 1024
SERVERS = ("ray::ProxyActor", "ray::ServeReplica:control-api")


@dataclass(frozen=True)
class Guarded:
    cluster: RunningCluster

    def ask(
        self, method: str, path: str, shown: str | None, body: object = None, **headers: str
    ) -> int:
        """The status of an answer; 0 where the connection ended before it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.cluster.api_port, timeout=60)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if shown is not None:
            given["Authorization"] = shown
        try:
            connection.request(method, path, body, given)  # type: ignore[arg-type]
            return connection.getresponse().status
        except ConnectionError:
            return 0
        finally:
            connection.close()

    def processes(self) -> list[psutil.Process]:
        """The proxy and the replica of the control API."""
        return [
            process
            for process in psutil.Process().children(recursive=True)
            if " ".join(process.cmdline()).startswith(SERVERS)
        ]


@pytest.fixture(scope="module")
def guarded(
    running_cluster: RunningCluster, tiny_clip: TinyClip, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    package = brightness_package(folder / "packages")
    receiver = Receiver()
    clip = f"{tiny_clip.path.as_uri()}?realtime=1&loop=1"
    city = City(city_plan({"gate": clip}, package, folder, receiver.url))
    yield Guarded(running_cluster)
    city.stop()
    receiver.close()


def test_every_route_by_every_credential(guarded: Guarded) -> None:
    made, wrong = credentials(guarded.cluster.tokens), []
    for method, path in (*routes(), ("get", "/openapi.json"), ("get", "/-/routes")):
        rule = ROUTES.find(method.upper(), path)
        assert rule is not None
        kind = {"Content-Type": next(iter(rule.media_types))} if rule.media_types else {}
        for name, shown, expected in made.cases(needed_scope(ROUTES, method.upper(), path)):
            status = guarded.ask(
                method.upper(), path, shown, b"" if rule.media_types else None, **kind
            )
            # There is no city process here that could change the configuration: 503.
            good = (200 <= status < 500 and status not in (401, 403)) or status == 503
            if not (good if expected == 0 else status == expected):
                wrong.append((method, path, name, status, expected))
    assert wrong == []


def test_a_revoked_token_is_refused_at_once(guarded: Guarded) -> None:
    tokens = guarded.cluster.tokens
    shown = f"Bearer {tokens.issue('guest', Scope.VIEWER)}"
    assert guarded.ask("GET", "/cameras", shown) == 200
    tokens.revoke("guest")
    assert guarded.ask("GET", "/cameras", shown) == 401


def test_no_page_of_another_site_promotes_a_model(guarded: Guarded) -> None:
    admin = guarded.cluster.auth["Authorization"]
    path = "/models/brightness/promote"
    assert guarded.ask("POST", path, admin, Origin="https://evil.example") == 403
    assert guarded.ask("POST", path, admin, Host="evil.example") == 421
    assert guarded.ask("POST", path, admin) == 409


def huge(mib: int) -> Iterator[bytes]:
    piece = b"x" * MIB
    return iter([piece] * mib)


def test_bombs_cost_neither_proxy_nor_api(guarded: Guarded) -> None:
    admin = guarded.cluster.auth["Authorization"]
    image = {"Content_Type": "image/png"}
    network = {"Content_Type": "application/octet-stream"}
    detect, upload = "/models/brightness/detect", "/models/bomb/versions"
    assert guarded.ask("POST", detect, admin, png_claiming(64, 64), **image) == 200
    before_mib = {process.pid: reset_peak(process.pid) for process in guarded.processes()}
    assert len(before_mib) == len(SERVERS)
    assert guarded.ask("POST", detect, admin, huge(300), **image) in (413, 0)
    assert guarded.ask("POST", upload, None, huge(300), **network) in (401, 0)
    assert guarded.ask("POST", detect, admin, png_claiming(32000, 32000), **image) == 413
    for pid, resident_mib in before_mib.items():
        assert peak_mib(pid) - resident_mib < 160, psutil.Process(pid).cmdline()


def test_slow_callers_do_not_keep_others_out(guarded: Guarded) -> None:
    admin, port = guarded.cluster.auth["Authorization"], guarded.cluster.api_port
    head = (
        f"POST /models/brightness/promote HTTP/1.1\r\nHost: localhost\r\nAuthorization: {admin}\r\n"
    )
    with ExitStack() as stack:
        for number in range(600):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            waits = [b"GET", head.encode(), f"{head}Content-Length: 9\r\n\r\n".encode()]
            with contextlib.suppress(ConnectionError):
                slow.sendall(waits[number % 3])
        for _ in range(20):
            assert guarded.ask("GET", "/cameras", admin) == 200


UPLOADS = ("POST /models/{name}/versions", "POST /models/{name}/versions/{version}/check")
"""Each takes a sandbox of its own; they have their tests."""

ENDLESS = ("GET /cameras/{camera}/live",)
"""Its answer goes on for as long as somebody watches."""

NO_CITY = "the city process does not answer"
"""Here is none that could change its configuration."""


@pytest.mark.scaled
def test_no_request_makes_the_api_fail(guarded: Guarded) -> None:
    url = f"http://127.0.0.1:{guarded.cluster.api_port}"
    auth = guarded.cluster.auth
    left_out = (*UPLOADS, *ENDLESS)
    found = server_errors(url, api.openapi(), auth, scaled(5), left_out, is_away=NO_CITY)
    assert found == []
    assert guarded.ask("GET", "/healthz", None) == 200


def test_no_request_waits_for_ever_and_no_crowd_of_them(guarded: Guarded) -> None:
    """As Serve itself says that it runs."""
    client: Any = get_client()
    details = client.get_serve_details()
    assert details["http_options"]["request_timeout_s"] == LONGEST_REQUEST_S
    (deployment,) = details["applications"]["control-api"]["deployments"].values()
    assert deployment["deployment_config"]["max_queued_requests"] == MAX_WAITING
