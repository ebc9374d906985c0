from .signal import Signal as Signal
