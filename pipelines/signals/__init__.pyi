from .camera_signals import CameraSignals as CameraSignals
from .sight import CANNOT_SEE_S as CANNOT_SEE_S
from .signal import ChangeKind as ChangeKind, Signal as Signal, StaticChange as StaticChange
