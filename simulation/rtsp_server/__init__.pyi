from .clip import load_clip as load_clip
from .faults import Fault as Fault, FaultKind as FaultKind
from .mount import Mount as Mount, ServerLimits as ServerLimits
from .thread import RtspServerThread as RtspServerThread
