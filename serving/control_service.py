"""`ControlService`: whether the control service (GCS) of the cluster answers that a city joined.

Cameras, detectors and deliveries need none. Whoever starts or ends processes of Ray does, and a
call of Ray's own waits for it, for minutes: it is asked here first, so that nothing hangs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any, Final

import grpc
from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]

ALIVE_METHOD: Final = "/ray.rpc.NodeInfoGcsService/CheckAlive"
ASK_EVERY_S: Final = 1.0
ASK_TIMEOUT_S: Final = 2.0
AWAY_AFTER_S: Final = 5.0
"""One answer that is late on a busy machine means nothing."""

AWAY: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
"""Whoever refuses a token is there."""

RECONNECT: Final = "RAY_gcs_rpc_server_reconnect_timeout_s"
RECONNECT_S: Final = 600
"""How long Ray's processes wait for it before they end; by default a minute."""


class ControlService:
    """Asks it once a second, in a thread of its own. Thread-safe."""

    def __init__(self, address: str) -> None:
        """Begins to ask `HOST:PORT`; nobody where it is empty, as for a Ray of the city's own."""
        self._address = address
        self._answered_s = time.monotonic()
        self._closed = threading.Event()
        self.back_s = float("-inf")
        """When it came back last, monotonic seconds."""
        if address:
            threading.Thread(target=self._run, name="control-service", daemon=True).start()

    @property
    def away(self) -> str:
        """That it does not answer, and what that means, in a sentence; empty while it does."""
        silent_s = time.monotonic() - self._answered_s
        if not self._address or silent_s <= AWAY_AFTER_S:
            return ""
        return (
            f"the control service (GCS) of the Ray cluster at {self._address} has not answered for "
            f"{silent_s:.0f} s; cameras go on, but nothing that ends is replaced, and neither "
            "cameras nor versions can be changed, until it is back"
        )

    def close(self) -> None:
        """Asks no more."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.wait(ASK_EVERY_S):
            if _answers(self._address):
                if self.away:
                    self.back_s = time.monotonic()
                self._answered_s = time.monotonic()


def status_of(address: str, headers: Mapping[str, str], timeout_s: float) -> grpc.StatusCode:
    """With what status a control service answers; `headers` hold the token."""
    metadata = [(name.lower(), value) for name, value in headers.items()]
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(ALIVE_METHOD)
        try:
            call(b"", timeout=timeout_s, metadata=metadata)
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


def token_headers() -> Mapping[str, str]:
    """The token of this program for a cluster, as headers; empty where it has none."""
    tokens: Any = AuthenticationTokenLoader.instance()
    return tokens.get_token_for_http_header() if tokens.has_token() else {}


def _answers(address: str) -> bool:
    return status_of(address, token_headers(), ASK_TIMEOUT_S) not in AWAY
