from .clip import load_clip as load_clip
from .mount import Mount as Mount, ServerLimits as ServerLimits
from .thread import RtspServerThread as RtspServerThread
