"""Open the networks that metrics and embedders use: checkpoints and shipped ONNX files."""
