"""Replays: the path of a frame over a recording, as fast as possible and always the same."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
