"""Open the networks that metrics and embedders listen with: checkpoints and shipped ONNX files."""
