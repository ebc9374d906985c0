"""How much a client may cost the server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Bounds per server and per client. All times are in seconds.

    Attributes:
        connections: Most RTSP connections at once; a further one is answered with 503.
        session_timeout_s: A client with a session that says nothing for this long is gone.
        idle_timeout_s: The same before SETUP.
        message_timeout_s: How long one message may take to arrive after its first byte.
        answer_timeout_s: How long an answer may wait for a client that does not read.
        viewer_buffer_bytes: Most bytes that may wait for one slow viewer.
        viewer_patience_s: How long a viewer may read too little until it is cut off.
        nonce_lifetime_s: How long a Digest login may go on without a new challenge.
    """

    connections: int = 256
    session_timeout_s: float = 60.0
    idle_timeout_s: float = 30.0
    message_timeout_s: float = 10.0
    answer_timeout_s: float = 10.0
    viewer_buffer_bytes: int = 2 * 1024 * 1024
    viewer_patience_s: float = 10.0
    nonce_lifetime_s: float = 300.0
