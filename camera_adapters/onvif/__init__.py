"""Finds ONVIF cameras and reads what streams they offer.

Guarantees that a password is sent to nobody: devices get a digest of it, never itself, and only the
address that answered is dialled, whatever else a device names.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
