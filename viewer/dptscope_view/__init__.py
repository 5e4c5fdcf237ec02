"""The viewer: token norms and fusion scaling in one OpenCV window, or drawn to a file without a screen.

Needs numpy, OpenCV and the runtime; never PyTorch or onnx.
"""
