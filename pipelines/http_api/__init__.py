"""What both HTTP APIs do alike: refuse in one shape, know their parameters, describe themselves."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
