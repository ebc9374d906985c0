from .access import ApiAccess as ApiAccess, announce_access as announce_access
from .image_body import fitted as fitted
