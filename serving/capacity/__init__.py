"""Capacity: what a camera costs on this machine, and how many cameras fit."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
