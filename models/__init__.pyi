from .detector import Detector as Detector
from .errors import (
    DataError as DataError, DownloadError as DownloadError, FailureKind as FailureKind,
    GraphError as GraphError, ImageError as ImageError,
    ModelError as ModelError, NotAdmittedError as NotAdmittedError,
    ObjectMissingError as ObjectMissingError, PackageError as PackageError,
    RepositoryError as RepositoryError, SandboxError as SandboxError, SessionError as SessionError,
    UnknownModelError as UnknownModelError,
)
from .golden import (
    GoldenSet as GoldenSet, LOOSE as LOOSE, MAX_FILE_BYTES as MAX_FILE_BYTES, STRICT as STRICT,
    Tolerance as Tolerance, disagreement as disagreement, tolerance_of as tolerance_of,
)
from .gpu_runners import GpuGraph as GpuGraph
from .object_store import write_whole as write_whole
from .package import (
    ADMISSION_FILE as ADMISSION_FILE, CARD_FILE as CARD_FILE, Fit as Fit,
    GOLDEN_FILE as GOLDEN_FILE, InputTensor as InputTensor, LABELS_FILE as LABELS_FILE,
    MANIFEST_FILE as MANIFEST_FILE, MAX_ONNX_BYTES as MAX_ONNX_BYTES,
    MAX_TEXT_BYTES as MAX_TEXT_BYTES, Manifest as Manifest, ModelPackage as ModelPackage,
    NAME_PATTERN as NAME_PATTERN, ONNX_FILE as ONNX_FILE, OutputTensor as OutputTensor,
    Source as Source, Threshold as Threshold,
    Thresholds as Thresholds, existing as existing, plain_yaml as plain_yaml,
    promises as promises, sha256_of as sha256_of,
)
from .package_cache import PackageCache as PackageCache
from .package_files import EVALUATIONS as EVALUATIONS, MAX_REPORT_BYTES as MAX_REPORT_BYTES
from .remote import RemoteRepository as RemoteRepository
from .repository import (
    BUILTIN_ROOT as BUILTIN_ROOT, ModelRepository as ModelRepository, Repository as Repository,
)
from .session import (
    CPU_PROVIDER as CPU_PROVIDER, ERRORS_ONLY as ERRORS_ONLY, Provider as Provider,
    WantedProvider as WantedProvider, first_line as first_line, has_cuda as has_cuda,
    open_session as open_session, runtime_version as runtime_version,
)
from .verification import golden_of as golden_of, verify_golden as verify_golden
from .version import (
    Precision as Precision, VERSION_PATTERN as VERSION_PATTERN, in_precision as in_precision,
    plain_version as plain_version,
)
