"""An exported file again, its numbers rounded: linear layers and convolutions in int8, or all weights in float16.

From ONNX to ONNX, with onnx and onnxruntime alone: nothing here imports PyTorch. What is written has been measured before,
against the file that it was made of.
"""
