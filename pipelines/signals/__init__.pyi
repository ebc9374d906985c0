from .camera_signals import CameraSignals as CameraSignals
from .signal import ChangeKind as ChangeKind, Signal as Signal, StaticChange as StaticChange
