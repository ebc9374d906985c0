"""The doors of a running city: control API and hub, with the tokens that open them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from cityeye.access import CityNote, console_link, fingerprint_of, noted, relay_token
from cityeye.config import Config
from cityeye.config.schema import ApiSection, Settings
from cityeye.hub_control import api_url
from cityeye.hub_process import EVENTS_PATH
from cityeye.logs import log_settings, log_to_file
from cityeye.progress import Progress
from pipelines.access import TokenFile, known_hosts, reachable_host
from pipelines.delivery import HttpSinkSettings, SinkSettings
from serving import ClusterSettings, RayNode, cluster
from serving.api import ApiAccess, ServerLogs

HUB_KEYFRAMES: Final = "/api/keyframes/"
API_KEYFRAMES: Final = "/keyframes/"


@contextlib.contextmanager
def gated_cluster(
    settings: Settings, tokens: TokenFile, on_step: Callable[[str], None]
) -> Iterator[RayNode]:
    """Ray with the control API behind its gate, and the note for commands on this machine."""
    api = settings.api
    ray = ClusterSettings(
        address=settings.ray.address,
        api_host=api.host,
        api_port=api.port,
        access=ApiAccess(
            tokens=tokens.folder, hosts=known_hosts(api.host, api.hosts), logs=_logs(settings)
        ),
        certificate=api.certificate,
        key=api.key,
    )
    note = CityNote(str(tokens.folder), fingerprint_of(api.certificate))
    with cluster(ray, on_step) as node, noted(api_url(api), note, os.environ):
        yield node


def _logs(settings: Settings) -> ServerLogs:
    log_format, _ = log_settings()
    return ServerLogs(set_up=log_to_file, folder=settings.state, log_format=log_format.value)


@contextlib.contextmanager
def noted_hub(config: Config, hub_url: str | None, tokens: TokenFile) -> Iterator[None]:
    """The note about the embedded hub for commands on this machine, if there is one."""
    if hub_url is None or config.settings.hub is None:
        yield
        return
    fingerprint = fingerprint_of(config.settings.hub.certificate)
    with noted(hub_url, CityNote(str(tokens.folder), fingerprint), os.environ):
        yield


def own_addresses(config: Config) -> list[tuple[str, int]]:
    """Where this city listens."""
    sections = (config.settings.api, config.settings.hub)
    return [(section.host, section.port) for section in sections if section is not None]


def keyframe_address(config: Config, hub_url: str | None) -> str:
    """What stands before a keyframe's key in events: the embedded hub's, or the control API's.

    Empty where only the control API could give it, and its port is any free one.
    """
    settings = config.settings
    if settings.hub is not None and hub_url is not None:
        return _address(settings.hub, urlsplit(hub_url).port) + HUB_KEYFRAMES
    return _address(settings.api, settings.api.port) + API_KEYFRAMES if settings.api.port else ""


def _address(section: ApiSection, port: int | None) -> str:
    """How others reach a server of ours; without a word from the settings, as it listens."""
    if section.address:
        return section.address
    scheme = "https" if section.certificate else "http"
    host = section.hosts[0] if section.hosts else section.host
    return f"{scheme}://{reachable_host(host)}:{port}"


def hub_sink(hub_url: str | None, config: Config, tokens: TokenFile) -> SinkSettings | None:
    """How this run's relay sends events to the embedded hub, if there is one."""
    if hub_url is None or config.settings.hub is None:
        return None
    return HttpSinkSettings(
        url=hub_url + EVENTS_PATH,
        token=SecretStr(relay_token(tokens)),
        fingerprint=fingerprint_of(config.settings.hub.certificate),
    )


def show_console(hub_url: str, tokens: TokenFile, progress: Progress) -> None:
    """Where the console is; to a person at a terminal with a link that opens it."""
    if progress.is_terminal:
        progress.step(f"console: {hub_url}{console_link(tokens)}", "bold green")
    else:
        # What is written to a file or a journal must not let anybody in.
        progress.step(f"console: {hub_url}/ (log in with the token of `cityeye token show`)")
