from .backoff import (
    BackoffPolicy as BackoffPolicy, Jitter as Jitter, RestartLimit as RestartLimit,
)
from .decoder_context import missing_decoders as missing_decoders
from .decoding import ffmpeg_version as ffmpeg_version
from .errors import CameraFault as CameraFault
from .evidence_image import EvidenceImage as EvidenceImage
from .factory import (
    FILE_SCHEME as FILE_SCHEME, SOURCES as SOURCES, kind_of as kind_of, open_source as open_source,
    scheme_of as scheme_of,
)
from .frame import (
    AnalysisImage as AnalysisImage, Frame as Frame, FullImage as FullImage, Image as Image,
    Luma as Luma,
)
from .geometry import (
    ImageFit as ImageFit, Letterbox as Letterbox, PADDING_VALUE as PADDING_VALUE, Size as Size,
    ViewSpec as ViewSpec,
)
from .gpu_decoding import gpu_streams as gpu_streams
from .intake import Mailbox as Mailbox
from .login_memory import LoginMemory as LoginMemory
from .main_stream import (
    MainStream as MainStream, MainStreamStatus as MainStreamStatus,
)
from .network import CameraNetwork as CameraNetwork
from .playback import Playback as Playback, RECORDING_BEGIN as RECORDING_BEGIN
from .packet_ring import (
    ClipWindow as ClipWindow, PacketRing as PacketRing, Reservation as Reservation,
)
from .reader import CameraReader as CameraReader, ReaderCounters as ReaderCounters
from .remuxing import RemuxError as RemuxError, ClipFile as ClipFile, remux as remux
from .rtsp_client import DEFAULT_PORTS as DEFAULT_PORTS
from .sdp import VideoCodec as VideoCodec
from .source import StreamSignal as StreamSignal
from .spec import (
    CameraSpec as CameraSpec, Credentials as Credentials, DecoderPlace as DecoderPlace,
    MAX_PIXELS as MAX_PIXELS, Place as Place,
)
from .state import (
    CONNECTING as CONNECTING, CameraState as CameraState, FROZEN_AFTER_S as FROZEN_AFTER_S,
    FROZEN_IMAGE as FROZEN_IMAGE, StateChange as StateChange,
)
from .trial_clip import TrialClip as TrialClip, write_trial_clip as write_trial_clip
from .video_trial import (
    VideoCost as VideoCost, conversion_s as conversion_s, video_cost as video_cost,
)
