"""A small RTSP server that plays encoded clips as endless live cameras, without re-encoding.

The way in is `camera_adapters.rtsp_server.server.RtspServer` (asyncio) or
`camera_adapters.rtsp_server.thread.RtspServerThread` (its own thread, for tests and the command
line); `camera_adapters.rtsp_server.mount.Mount` says what is served where, and
`camera_adapters.rtsp_server.faults.Fault` makes a camera misbehave on purpose.
"""
