"""Precisions: the same network in fewer bits, with what that costs in accuracy measured."""

from model_tools.precision.fidelity import Fidelity, fidelity
from model_tools.precision.half import to_fp16
from model_tools.precision.quantisation import to_int8

__all__ = ["Fidelity", "fidelity", "to_fp16", "to_int8"]
