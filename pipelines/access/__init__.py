"""Access: who may send a request to an HTTP server of ours, and what one request may cost it.

The control API and the event hub share it, so it knows nothing else of ours.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
