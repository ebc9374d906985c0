"""Rollouts: which version of a model serves which camera, changed while the city goes on."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
