from .sight import CANNOT_SEE_S as CANNOT_SEE_S
from .signal import Signal as Signal
