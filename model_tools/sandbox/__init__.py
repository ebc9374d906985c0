"""The sandbox: a throw-away process with limits for everything that touches a foreign model."""

from model_tools.sandbox.confinement import SandboxLimits
from model_tools.sandbox.process import run

__all__ = ["SandboxLimits", "run"]
