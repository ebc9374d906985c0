"""The test street: drawn scenes with ground truth over RTSP. Nothing that serves imports it."""
