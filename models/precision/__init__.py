"""Precisions: the same network in fewer bits, with what that costs in accuracy measured."""

from models.precision.fidelity import Fidelity, fidelity
from models.precision.half import to_fp16
from models.precision.quantisation import to_int8

__all__ = ["Fidelity", "fidelity", "to_fp16", "to_int8"]
