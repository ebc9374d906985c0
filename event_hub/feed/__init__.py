"""The live feed: what happens in the city, as it happens, over one long answer."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
