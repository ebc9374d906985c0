"""The test street: drawn scenes with ground truth over RTSP. Nothing that serves imports it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
