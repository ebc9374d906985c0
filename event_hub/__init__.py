"""The embedded event hub: keeps the city's events and shows them where there is no other hub."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
