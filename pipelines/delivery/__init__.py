"""Delivery: what is published is durable first, and sent until it is acknowledged."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
