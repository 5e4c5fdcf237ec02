"""Checkpoint to ONNX: reads a DPT checkpoint, exports it to the contract of :mod:`dptscope.contract`, and verifies it."""
