"""Models infer: what a model package is, how it comes about, and how it is run."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
