from .camera_worker import WorkerSnapshot as WorkerSnapshot
from .city import City as City
from .city_socket import (
    SOCKET_NAME as SOCKET_NAME, ask_city as ask_city, read_line as read_line,
    short_path as short_path,
)
from .city_plan import (
    CityPlan as CityPlan, DeliveryPlan as DeliveryPlan, OUTBOX_FILE as OUTBOX_FILE, Wish as Wish,
)
from .cores import cpu_info as cpu_info, cpu_name as cpu_name, usable_cores as usable_cores
from .detectors import DETECTOR_KINDS as DETECTOR_KINDS, DetectorKind as DetectorKind
from .errors import (
    CityAwayError as CityAwayError,
    DirectorError as DirectorError, DirectorLost as DirectorLost, RolloutError as RolloutError,
)
from .governor import RateGovernor as RateGovernor
from .in_process import InProcessDetector as InProcessDetector
from .launch import RayServeDetectors as RayServeDetectors
from .model_source import (
    FolderModels as FolderModels, ModelSource as ModelSource, ModelsUrl as ModelsUrl,
    RemoteModels as RemoteModels, StoreKeys as StoreKeys, parse_url as parse_url,
)
from .process_tree import (
    PROC as PROC, PROCESS_GONE as PROCESS_GONE, RunningProcess as RunningProcess,
    all_processes as all_processes, processes_below as processes_below,
    socket_inodes as socket_inodes,
)
from .ray_cluster import ClusterSettings as ClusterSettings, cluster as cluster
from .ray_node import JOINED_RAY as JOINED_RAY, OWN_RAY as OWN_RAY, RayNode as RayNode
from .served_models import (
    RepositoryVersions as RepositoryVersions, ServedModel as ServedModel, model_ref as model_ref,
    served_model as served_model,
)
from .thread_clock import thread_cpu_s as thread_cpu_s
from .worker_state import (
    KNOWN_FOR_S as KNOWN_FOR_S, WorkerState as WorkerState, loads_of as loads_of,
)
