"""Failures that the command line reports in one sentence, with exit status 1.

CityEyeError
├── ConfigurationError   a configuration file has mistakes; it carries all (`cityeye.config`)
└── CommandError         a command cannot do what was asked, and says what to change
"""

from __future__ import annotations


class CityEyeError(Exception):
    """A failure whose message is made for the person at the command line."""


class CommandError(CityEyeError):
    """A command cannot do what was asked."""
