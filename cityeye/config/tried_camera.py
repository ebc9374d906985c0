"""`tried_camera`: a camera that is only to be tried, checked as one of a configuration would be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from camera_adapters import CameraFault, CameraSpec, LoginMemory, kind_of
from cityeye.config.dialled import report_forbidden_addresses
from cityeye.config.document import Document
from cityeye.config.login import lift_logins
from cityeye.config.mistakes import report_mistakes
from cityeye.config.plans import camera_spec
from cityeye.config.problem import ConfigurationError, sentence
from cityeye.config.schema import CameraSection, Settings
from cityeye.config.streams import check_streams

TRIED: Final = {"id": "tried", "tasks": {"traffic": {"model": "traffic"}}}
KEY: Final = "cameras[0]."
TIMEOUTS: Final = {"open_timeout_s": 8.0, "read_timeout_s": 5.0}
HERE: Final = Path("camera")


def tried_camera(given: Mapping[str, Any], settings: Settings | None) -> CameraSpec:
    """The camera, with a memory of logins of its own.

    Args:
        given: Address, login and connection, as in a configuration.
        settings: Of the city: where its cameras may be; None for everywhere that is allowed.

    Raises:
        ConfigurationError: What is given is not valid, or leads where no camera of the city may be.
    """
    document = Document({"cameras": [{**TIMEOUTS, **given, **TRIED}]})
    lift_logins(document)
    section = None
    try:
        section = CameraSection.model_validate(document.data["cameras"][0])
    except ValidationError as error:
        report_mistakes(document, error, CameraSection, ("cameras", 0))
    if section is None or document.problems:
        raise _invalid(document)
    own = (settings or _nowhere()).model_copy(update={"cameras": (section,)})
    report_forbidden_addresses(document, own)
    check_streams(document, ("cameras", 0), document.data["cameras"][0])
    camera = replace(camera_spec(section, own), logins=LoginMemory())
    try:
        kind_of(camera).adapter.check(camera)
    except CameraFault as fault:
        document.report(("cameras", 0, "source"), fault.reason, sentence(fault.remedy))
    if document.problems:
        raise _invalid(document)
    return camera


def _nowhere() -> Settings:
    """Of no city."""
    camera = {**TRIED, "source": "rtsp://camera.invalid/"}
    sections = {"cameras": [camera], "models": {}, "keyframes": {"folder": "keyframes"}}
    return Settings.model_validate(sections, context={"base": Path.cwd()})


def _invalid(document: Document) -> ConfigurationError:
    problems = (replace(one, key=one.key.removeprefix(KEY)) for one in document.problems)
    return ConfigurationError(HERE, problems)
