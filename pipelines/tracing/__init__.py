"""Traces: the way of one frame in so many, as OpenTelemetry spans, from decoder to hub.

Off unless configured. Nothing of it stops or delays a frame: spans are sent in the background, and
those that an endpoint does not take are lost.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
