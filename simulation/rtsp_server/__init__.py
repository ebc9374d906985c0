"""A small RTSP server that plays encoded clips as endless live cameras, without re-encoding.

The way in is `simulation.rtsp_server.server.RtspServer` (asyncio) or
`simulation.rtsp_server.thread.RtspServerThread` (its own thread, for tests and the command
line); `simulation.rtsp_server.mount.Mount` says what is served where, and
`simulation.rtsp_server.faults.Fault` makes a camera misbehave on purpose.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
