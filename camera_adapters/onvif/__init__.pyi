from .device import OnvifDevice as OnvifDevice, examine_device as examine_device
from .discovery import (
    FoundDevice as FoundDevice, NetworkProbe as NetworkProbe, device_at as device_at,
    find_devices as find_devices,
)
from .errors import OnvifFault as OnvifFault
from .video_profile import (
    StreamNeeds as StreamNeeds, VideoProfile as VideoProfile, by_source as by_source,
    main_profile as main_profile, proposed_profile as proposed_profile,
)
