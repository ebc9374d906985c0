"""Runs the two agents that every Ray node must have: they end with the raylet, and do no more.

Usage: `python -P minimal_agent.py AGENT.PY OPTIONS` in place of `python AGENT.PY OPTIONS`.

Where the raylet is killed, an agent of Ray 2.60 first reports that to a control service that is
gone too, and may outlive a city by minutes; the kernel ends it at once. Nor can Ray be told to do
without the agent of its dashboard, or which modules that one loads: all of them where the
dashboard's dependencies are installed, which Serve needs too. They measure every process every
five seconds and look for a dashboard for ever.
"""

from __future__ import annotations

import ctypes
import runpy
import signal
import sys
from typing import Any

from ray._private import utils

DASHBOARD_AGENT = "dashboard/agent.py"
PR_SET_PDEATHSIG = 1
"""See prctl(2)."""


def main() -> None:
    """Becomes the agent."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    sys.argv = sys.argv[1:]
    if sys.argv[0].endswith(DASHBOARD_AGENT):
        module: Any = utils
        module.get_dashboard_dependency_error = lambda: ImportError("not wanted here")
        sys.argv.append("--minimal")
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
