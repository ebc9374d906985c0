"""The workshop: a foreign network becomes a measured, admitted version of a package."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
