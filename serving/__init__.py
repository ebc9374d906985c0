"""Everything that runs on Ray: detector deployments, camera workers, the director, the API."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
