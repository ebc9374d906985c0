"""Who may use which route of the control API, and the gate before it.

The gate stands twice: in Serve's proxy, where bodies are counted before they are passed on and slow
connections are ended, and in front of the application itself, which lets nobody in without it.
Both read their settings from the environment, which every process of Ray inherits; it holds the
place of the tokens, not the tokens. Without these settings neither starts.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ImportString
from starlette.middleware import Middleware
from starlette.types import Receive, Send
from starlette.types import Scope as RequestScope
from uvicorn import config as uvicorn_config

from pipelines.access import (
    AccessGate,
    AccessPolicy,
    RouteRule,
    RouteTable,
    Scope,
    TokenFile,
    guarded_protocol,
)
from serving.errors import ServingError

VARIABLE: Final = "CITYEYE_API_ACCESS"
PROXY_CALLBACK: Final = "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"
PROXY_GUARD: Final = "serving.api.access.guard_proxy"
JSON: Final = frozenset({"application/json"})
JSON_BYTES: Final = 64 * 1024
PLACES_BYTES: Final = 1024 * 1024
REASON_BYTES: Final = 8 * 1024
IMAGE: Final = frozenset({"image/jpeg", "image/png"})
MAX_IMAGE_BYTES: Final = 16 * 1024 * 1024
IMAGE_S: Final = 30.0
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
TABLES: Final = frozenset({"text/csv", XLSX})
MAX_TABLE_BYTES: Final = 4 * 1024 * 1024
TENSORS: Final[dict[str, Any]] = {
    "scope": Scope.ENGINEER,
    "limit_bytes": 4 * MAX_IMAGE_BYTES,
    "body_s": IMAGE_S,
}
"""A full batch of images; as JSON numbers they take about four times their bytes."""
NETWORK: Final = frozenset({"application/octet-stream"})
MAX_UPLOAD_BYTES: Final = 512 * 1024 * 1024
"""As large as a package may be; said here once more, as the proxy loads this module alone."""
UPLOAD_S: Final = 600.0
LONGEST_REQUEST_S: Final = UPLOAD_S + 400.0
"""For any request as a whole: the slowest is an upload, whose network is then examined."""

HELD_BYTES: Final = MAX_UPLOAD_BYTES + 4 * MAX_IMAGE_BYTES
"""One network that is uploaded and a few images; more at once are asked to come again."""

ROUTES: Final = RouteTable(
    (
        RouteRule("GET", "/healthz", None),
        # The proxy's own: a word without details, for the operator of a cluster.
        RouteRule("GET", "/-/healthz", None),
        RouteRule("GET", "/schemas/{name}", None),
        RouteRule("GET", "/keyframes/{key:path}", Scope.VIEWER),
        RouteRule("POST", "/evidence/{key:path}", Scope.OPERATOR, JSON, REASON_BYTES),
        RouteRule("GET", "/audit", Scope.ADMIN),
        RouteRule("GET", "/-/routes", Scope.VIEWER),
        RouteRule("GET", "/health", Scope.VIEWER),
        RouteRule("GET", "/metrics", Scope.VIEWER),
        RouteRule("GET", "/openapi.json", Scope.VIEWER),
        # The pages of the API hold nothing of the city; what they load needs a token.
        RouteRule("GET", "/docs", None),
        RouteRule("GET", "/docs/{file}", None),
        RouteRule("GET", "/cameras", Scope.VIEWER),
        RouteRule("GET", "/cameras/{camera}", Scope.VIEWER),
        RouteRule("GET", "/cameras/{camera}/frame", Scope.VIEWER),
        RouteRule("GET", "/cameras/{camera}/frame.jpg", Scope.VIEWER),
        RouteRule("POST", "/cameras/{camera}/frame.jpg", Scope.OPERATOR, JSON, REASON_BYTES),
        RouteRule("GET", "/cameras/{camera}/live", Scope.VIEWER),
        RouteRule("GET", "/cameras/{camera}/place", Scope.VIEWER),
        RouteRule("GET", "/cameras/{camera}/places", Scope.VIEWER),
        RouteRule("PUT", "/cameras/{camera}/places", Scope.ENGINEER, JSON, PLACES_BYTES),
        RouteRule("PUT", "/cameras/{camera}/places/{kind}", Scope.ENGINEER, JSON, PLACES_BYTES),
        RouteRule("PUT", "/cameras/{camera}/schedules", Scope.ENGINEER, JSON, JSON_BYTES),
        RouteRule("GET", "/cameras/{camera}/connection", Scope.ENGINEER),
        RouteRule("PUT", "/cameras/{camera}/connection", Scope.ENGINEER, JSON, JSON_BYTES),
        RouteRule("POST", "/cameras/{camera}/connection/test", Scope.ENGINEER, JSON, JSON_BYTES),
        RouteRule("DELETE", "/cameras/{camera}", Scope.ENGINEER),
        RouteRule("POST", "/cameras", Scope.ENGINEER, JSON, PLACES_BYTES),
        RouteRule("POST", "/cameras/test", Scope.ENGINEER, JSON, JSON_BYTES),
        RouteRule("POST", "/cameras/import", Scope.ENGINEER, TABLES, MAX_TABLE_BYTES, IMAGE_S),
        RouteRule("GET", "/config/versions", Scope.VIEWER),
        RouteRule("POST", "/config/undo", Scope.ENGINEER, JSON, JSON_BYTES),
        RouteRule("GET", "/models", Scope.VIEWER),
        RouteRule("GET", "/repository", Scope.VIEWER),
        RouteRule("GET", "/rollouts", Scope.VIEWER),
        RouteRule("GET", "/models/{name}/rollout", Scope.VIEWER),
        RouteRule("GET", "/imports/{progress}", Scope.VIEWER),
        RouteRule("GET", "/models/{name}/ledger", Scope.VIEWER),
        RouteRule("GET", "/models/{name}/comparison", Scope.VIEWER),
        RouteRule("GET", "/comparisons/images/{image}", Scope.ENGINEER),
        RouteRule("GET", "/models/{name}/versions", Scope.VIEWER),
        RouteRule("GET", "/models/{name}/versions/{version}", Scope.VIEWER),
        RouteRule("GET", "/rules", Scope.VIEWER),
        RouteRule("GET", "/coverage", Scope.VIEWER),
        RouteRule("GET", "/coverage/periods", Scope.VIEWER),
        RouteRule("GET", "/events/pending", Scope.VIEWER),
        RouteRule("GET", "/events/dead", Scope.VIEWER),
        RouteRule("POST", "/events/replay", Scope.OPERATOR, JSON, JSON_BYTES),
        RouteRule("POST", "/models/{name}/rollout", Scope.ENGINEER, JSON, JSON_BYTES),
        RouteRule("POST", "/models/{name}/promote", Scope.ENGINEER),
        RouteRule("POST", "/models/{name}/rollback", Scope.ENGINEER),
        RouteRule("POST", "/models/{name}/detect", Scope.ENGINEER, IMAGE, MAX_IMAGE_BYTES, IMAGE_S),
        RouteRule(
            "POST", "/models/{name}/versions", Scope.ENGINEER, NETWORK, MAX_UPLOAD_BYTES, UPLOAD_S
        ),
        RouteRule("POST", "/models/{name}/versions/{version}/check", Scope.ENGINEER),
        RouteRule("GET", "/v2", Scope.VIEWER),
        RouteRule("GET", "/v2/health/live", Scope.VIEWER),
        RouteRule("GET", "/v2/health/ready", Scope.VIEWER),
        RouteRule("GET", "/v2/models/{name}", Scope.VIEWER),
        RouteRule("GET", "/v2/models/{name}/ready", Scope.VIEWER),
        RouteRule("GET", "/v2/models/{name}/versions/{version}", Scope.VIEWER),
        RouteRule("GET", "/v2/models/{name}/versions/{version}/ready", Scope.VIEWER),
        # Common clients send no media type; who has no token cannot make a browser send one.
        RouteRule("POST", "/v2/models/{name}/infer", **TENSORS),
        RouteRule("POST", "/v2/models/{name}/versions/{version}/infer", **TENSORS),
    )
)


class ServerLogs(BaseModel):
    """How the proxy and the control API write their logs.

    Attributes:
        set_up: Sends the log of a process to a file, in a format; travels by its import path.
        folder: Of the files.
        log_format: As `set_up` calls it.
    """

    model_config = ConfigDict(frozen=True)

    set_up: ImportString[Callable[..., None]]
    folder: Path
    log_format: str


class ApiAccess(BaseModel):
    """What the servers of the control API need to know.

    Attributes:
        tokens: Folder of the tokens.
        hosts: Names that a Host header may have.
        logs: Where their logs go; None leaves them to Ray.
    """

    model_config = ConfigDict(frozen=True)

    tokens: Path
    hosts: frozenset[str]
    logs: ServerLogs | None = None

    def log_to(self, file: str) -> None:
        """Sends the log of this process to a file of this name, on the node that has the folder."""
        if self.logs is not None and self.logs.folder.is_dir():
            self.logs.set_up(self.logs.folder / file, self.logs.log_format)

    @property
    def audit(self) -> Path:
        """The folder of the audit trail, beside the one of the tokens."""
        return self.tokens.parent / "audit"


def announce_access(access: ApiAccess | None) -> None:
    """To be called before `ray.init`: every process of Ray gets the settings of the gate.

    With None a control API does not start, and the proxy has nothing to pass requests on to.
    """
    for name in (VARIABLE, PROXY_CALLBACK):
        os.environ.pop(name, None)  # noqa: TID251 - Ray hands its environment on
    os.environ.update(access_variables(access))  # noqa: TID251


def access_variables(access: ApiAccess | None) -> dict[str, str]:
    """The settings of the gate as variables of the environment; none without access."""
    if access is None:
        return {}
    return {VARIABLE: access.model_dump_json(), PROXY_CALLBACK: PROXY_GUARD}


def api_access() -> ApiAccess:
    """The settings of the gate in this process.

    Raises:
        ServingError: Ray was started without `announce_access`.
    """
    settings = os.environ.get(VARIABLE)  # noqa: TID251
    if settings is None:
        raise ServingError("the control API does not start without its tokens; see `cluster`")
    return ApiAccess.model_validate_json(settings)


def policy() -> AccessPolicy:
    """The policy of the control API in this process.

    Raises:
        ServingError: Ray was started without `announce_access`.
    """
    access = api_access()
    return AccessPolicy(ROUTES, TokenFile(access.tokens), access.hosts, held_bytes=HELD_BYTES)


def guard_proxy() -> list[Middleware]:
    """Called by Serve in its proxy's process, before that listens; see `PROXY_CALLBACK`."""
    api_access().log_to("proxy.log")
    protocols: dict[str, Any] = uvicorn_config.HTTP_PROTOCOLS
    # Serve has no setting for the protocol of its server; this is the one that it takes.
    protocols["auto"] = guarded_protocol()
    return [Middleware(AccessGate, policy=replace(policy(), in_process=False))]


class ApiGate:
    """The gate before the application; its settings are read with the first request."""

    def __init__(self, app: Any) -> None:  # noqa: ANN401 - any ASGI application
        self._gate = cache(lambda: AccessGate(app, policy()))

    async def __call__(self, scope: RequestScope, receive: Receive, send: Send) -> None:
        """See ASGI 3."""
        await self._gate()(scope, receive, send)
