"""A small configuration to make mistakes in."""

from __future__ import annotations

import pytest

from cityeye.config import ConfigurationError, Problem

CITY = """\
cameras:
  - id: gate
    source: rtsp://10.0.0.5/live
    tasks:
      traffic:
        model: traffic
        fps: 5
hub: {}
"""


def problem_of(load_city, text: str, environment=None) -> Problem:
    """The only mistake of a text."""
    with pytest.raises(ConfigurationError) as caught:
        load_city(text, environment)
    (problem,) = caught.value.problems
    return problem
