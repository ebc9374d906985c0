from .courier import Courier as Courier
from .dead_letters import DeadLetter as DeadLetter
from .deliveries import Deliveries as Deliveries, PendingEvent as PendingEvent
from .durable import (
    make_folder as make_folder, private_folder as private_folder, write_durably as write_durably,
)
from .handover import open_bodies as open_bodies, take_over as take_over
from .heartbeat import Heartbeats as Heartbeats
from .holds import Holds as Holds
from .outbox import Outbox as Outbox, OutboxCounters as OutboxCounters
from .outbox_file import OutboxFile as OutboxFile
from .retention import (
    Kept as Kept, KeyframeRetention as KeyframeRetention, Retention as Retention,
    RetentionLimit as RetentionLimit, keep_files as keep_files, outbox_limits as outbox_limits,
)
from .salvage.replacement import (
    mark_reported as mark_reported, set_aside_beside as set_aside_beside,
)
from .relay import Relay as Relay, RelayCounters as RelayCounters
from .settings import (
    FilePath as FilePath, base_folder as base_folder, expand_home as expand_home,
)
from .sink_state import SinkState as SinkState, city_sinks as city_sinks
from .sinks.http import HttpSinkSettings as HttpSinkSettings
from .sinks.registry import AnySink as AnySink
from .sinks.sink import Delivery as Delivery, Sink as Sink, SinkSettings as SinkSettings
from .spool import Spool as Spool
from .stores.folder import FolderStore as FolderStore
from .stores.registry import (
    KEYFRAME_STORES as KEYFRAME_STORES, KeyframeSettings as KeyframeSettings,
)
from .stores.s3 import (
    Endpoint as Endpoint, S3Bucket as S3Bucket, S3Settings as S3Settings,
    check_bucket as check_bucket,
)
from .stores.store import KeyframeStore as KeyframeStore
