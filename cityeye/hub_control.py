"""The embedded hub's way to the control API of its city."""

from __future__ import annotations

from pydantic import SecretStr

from cityeye.access import fingerprint_of
from cityeye.config.schema import ApiSection, Settings
from event_hub import ControlSettings
from pipelines.access import Scope, TokenFile, reachable_host

HUB_NAME = "event hub"


def api_url(api: ApiSection) -> str:
    """Where the control API answers on this machine."""
    scheme = "https" if api.certificate else "http"
    return f"{scheme}://{reachable_host(api.host)}:{api.port}"


def hub_control(settings: Settings, tokens: TokenFile) -> ControlSettings | None:
    """With a token for this run; the one of the run before ends.

    None where the control API takes any free port, as nobody knows which one beforehand.
    """
    if settings.api.port == 0:
        return None
    return ControlSettings(
        url=api_url(settings.api),
        token=SecretStr(tokens.issue(HUB_NAME, Scope.ENGINEER, replace=True)),
        city=settings.city.key,
        fingerprint=fingerprint_of(settings.api.certificate),
    )
