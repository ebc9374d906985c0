"""Precisions: the same network in fewer bits, with what that costs in accuracy measured."""
