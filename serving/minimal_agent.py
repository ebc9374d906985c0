"""Runs the agent that every Ray node must have, with none of its modules.

Usage: `python -P minimal_agent.py AGENT.PY OPTIONS` in place of `python AGENT.PY OPTIONS`.

Ray 2.60 cannot be told to do without this agent, nor which modules it loads: all of them where
the dashboard's dependencies are installed, which Serve needs too. They measure every process
every five seconds and look for a dashboard for ever. Without them nothing is left but the watch
over the raylet, with which the agent ends.
"""

from __future__ import annotations

import runpy
import sys
from typing import Any

from ray._private import utils


def main() -> None:
    """Becomes the agent."""
    module: Any = utils
    module.get_dashboard_dependency_error = lambda: ImportError("not wanted here")
    sys.argv = [*sys.argv[1:], "--minimal"]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
