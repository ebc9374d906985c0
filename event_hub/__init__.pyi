from .errors import HubError as HubError
from .keyframes import FolderKeyframes as FolderKeyframes
from .server import Hub as Hub
from .settings import HubSettings as HubSettings, RetentionLimits as RetentionLimits
