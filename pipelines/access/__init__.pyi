from .audit import (
    AuditError as AuditError, AuditFilter as AuditFilter, AuditTrail as AuditTrail, SEEN as SEEN,
)
from .caller import (
    Caller as Caller, SessionsUnavailableError as SessionsUnavailableError,
)
from .connections import guarded_protocol as guarded_protocol
from .gate import (
    AccessGate as AccessGate, AccessPolicy as AccessPolicy, caller_of as caller_of,
    is_still_admitted as is_still_admitted,
)
from .origin import (
    is_loopback as is_loopback, known_hosts as known_hosts, reachable_host as reachable_host,
)
from .owned_files import (
    PART_SUFFIX as PART_SUFFIX, create_owned_file as create_owned_file,
    create_owned_folder as create_owned_folder, write_owned_file as write_owned_file,
)
from .problem import (
    PROBLEM_MEDIA_TYPE as PROBLEM_MEDIA_TYPE, ProblemDetails as ProblemDetails,
)
from .reason import Reason as Reason, ReasonedRequest as ReasonedRequest
from .routes import RouteRule as RouteRule, RouteTable as RouteTable
from .scope import Scope as Scope
from .token_file import TokenFile as TokenFile, TokenFileError as TokenFileError
from .webhook_secret import WebhookSecret as WebhookSecret
