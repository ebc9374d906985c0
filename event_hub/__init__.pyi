from .backup.backup import (
    BackupReport as BackupReport, EvidenceStore as EvidenceStore, HubParts as HubParts,
    back_up as back_up,
)
from .backup.restoring import restore as restore
from .case_settings import CaseSettings as CaseSettings
from .city_control import ControlSettings as ControlSettings
from .database import with_password as with_password
from .errors import HubError as HubError, PasswordInUrlError as PasswordInUrlError
from .keyframes import FolderKeyframes as FolderKeyframes
from .map_tiles import MapTiles as MapTiles
from .oidc_settings import OidcSettings as OidcSettings
from .server import Hub as Hub
from .settings import (
    DEDUPLICATED_DAYS as DEDUPLICATED_DAYS, HubRetention as HubRetention,
    HubSettings as HubSettings, LEAST_SILENCE_S as LEAST_SILENCE_S,
    MOST_SILENCE_S as MOST_SILENCE_S, SILENCE_LIMIT_S as SILENCE_LIMIT_S,
    SilenceLimit as SilenceLimit,
)
from .subscription_settings import SubscriptionSettings as SubscriptionSettings
