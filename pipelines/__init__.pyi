from .annotation import Overlay as Overlay, annotated as annotated
from .camera_group import (
    CameraGroup as CameraGroup, GroupSnapshot as GroupSnapshot, Slots as Slots,
)
from .camera_pipeline import CameraPipeline as CameraPipeline
from .case_codes import CaseCode as CaseCode, CaseTable as CaseTable
from .coverage import (
    Coverage as Coverage, CoveredPeriod as CoveredPeriod, total_coverage as total_coverage,
)
from .detector import (
    BatchResult as BatchResult, DetectorError as DetectorError, DetectorPort as DetectorPort,
    InFlightBatch as InFlightBatch, InferenceCall as InferenceCall, MicroBatch as MicroBatch,
    RESULT_TIMEOUT_S as RESULT_TIMEOUT_S,
)
from .errors import (
    EncodingError as EncodingError, HoldsUnreadable as HoldsUnreadable,
    KeyframeMissing as KeyframeMissing, OutboxInUse as OutboxInUse,
    OutboxUnavailable as OutboxUnavailable,
    StoreError as StoreError, StoreUnavailable as StoreUnavailable,
)
from .evidence import EvidenceRecorder as EvidenceRecorder
from .group_camera import CameraSnapshot as CameraSnapshot
from .incident import Measurement as Measurement, Transition as Transition
from .left_open import resumption_s as resumption_s
from .live_view import (
    LiveAnswer as LiveAnswer, LiveFrame as LiveFrame, LiveOptions as LiveOptions, slate as slate,
)
from .load import (
    LOAD_WINDOW_S as LOAD_WINDOW_S, NO_LOAD as NO_LOAD, OVERLOADED as OVERLOADED,
    PriorityLoad as PriorityLoad,
    overload as overload, total_loads as total_loads,
)
from .metrics import (
    Histogram as Histogram, InferenceMetrics as InferenceMetrics,
    InferenceTiming as InferenceTiming, MetricsRecorder as MetricsRecorder, Rate as Rate,
    StatisticsSnapshot as StatisticsSnapshot,
)
from .place_check import PlaceCheck as PlaceCheck
from .plan import (
    AdaptiveFps as AdaptiveFps, COVERAGE_S as COVERAGE_S,
    CameraPlan as CameraPlan, ModelRef as ModelRef,
    PRIORITIES as PRIORITIES, Priority as Priority,
    Route as Route, Routes as Routes,
    TaskPlan as TaskPlan, model_keys as model_keys,
)
from .thresholds import NamedThresholds as NamedThresholds
from .track import Track as Track, tasks_of as tasks_of, tracks_on_foot as tracks_on_foot
from .tracker import CameraTracker as CameraTracker
