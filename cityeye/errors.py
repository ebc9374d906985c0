"""Failures that the command line reports in one sentence, with exit status 1."""

from __future__ import annotations

OUR_PACKAGES = frozenset(
    {"benchmarks", "camera_adapters", "cityeye", "event_hub", "models", "pipelines", "serving"}
)


def is_ours(error: Exception) -> bool:
    """Whether the text of an error was made for people."""
    return type(error).__module__.partition(".")[0] in OUR_PACKAGES


def unexpected(kind: str, text: str) -> str:
    """What is said of an error whose text was not; `kind` is the name of its type."""
    facts = f"{kind}: {text}" if text else kind
    return f"stopped by an unexpected {facts} (`cityeye --debug ...` shows where)"


class CityEyeError(Exception):
    """A failure whose message is made for the person at the command line."""


class CommandError(CityEyeError):
    """A command cannot do what was asked."""
