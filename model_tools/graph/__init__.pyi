from .exported import grid as grid
from .preprocessing import FULL_SCALE as FULL_SCALE, Preprocessing as Preprocessing
from .selection import Selection as Selection
