"""The front door: the command line, the configuration file, and `analyse` for Python programs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
