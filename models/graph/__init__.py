"""The graph contract: what a served ONNX file may hold, and its tensors."""
