from .access import (
    ApiAccess as ApiAccess, ServerLogs as ServerLogs, announce_access as announce_access,
)
from .image_body import fitted as fitted
