"""The sandbox: a throw-away process with limits for everything that touches a foreign model."""

from models.sandbox.limits import Limits
from models.sandbox.process import run

__all__ = ["Limits", "run"]
