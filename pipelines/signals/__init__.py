"""Signals of the image beside boxes: view state, motion and static change, on a small luma image.

Pure and deterministic: the same images at the same times give the same signals.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
