"""The admission gate: a version is examined in a throw-away process, its report stays with it."""

from model_tools.admission.gate import admit
from model_tools.admission.machine import fingerprint

__all__ = ["admit", "fingerprint"]
