from .clips import encode_scene as encode_scene, ensure_clips as ensure_clips
