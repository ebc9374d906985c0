"""Heads: one module per family of networks, one line per family in the registry."""
