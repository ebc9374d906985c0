from .mount import Mount as Mount
from .thread import RtspServerThread as RtspServerThread
