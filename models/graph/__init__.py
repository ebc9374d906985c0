"""Graph building: wraps a network into uint8 pictures in, final boxes out (the `onnx` door)."""
