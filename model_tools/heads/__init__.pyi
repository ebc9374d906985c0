from .cityeye import STRIDES as STRIDES
from .registry import HEAD_NAMES as HEAD_NAMES, HeadName as HeadName, known_head as known_head
from .task import (
    HeadTask as HeadTask, ScoreKind as ScoreKind, WrappedGraph as WrappedGraph,
    each_alone as each_alone,
)
from .wrapping import wrap as wrap
