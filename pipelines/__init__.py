"""From frames to incidents to events that arrive: what happens between a model and the city."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
