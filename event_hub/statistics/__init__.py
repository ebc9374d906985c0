"""What happened how often, where and when: counted in the database, over a bounded time."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
