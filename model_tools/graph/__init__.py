"""Graph building: wraps a network into uint8 images in, final boxes out (the `onnx` door)."""
