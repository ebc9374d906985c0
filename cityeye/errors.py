"""Failures that the command line reports in one sentence, with exit status 1."""

from __future__ import annotations


class CityEyeError(Exception):
    """A failure whose message is made for the person at the command line."""


class CommandError(CityEyeError):
    """A command cannot do what was asked."""
