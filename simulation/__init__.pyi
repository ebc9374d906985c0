from .clips import (
    encode_scene as encode_scene, ensure_clips as ensure_clips, scene_clip as scene_clip,
)
from .recorded_clips import write_clip as write_clip
from .stamp import read_stamp as read_stamp
from .stamped_clips import ClipShow as ClipShow, ensure_stamped_clip as ensure_stamped_clip
