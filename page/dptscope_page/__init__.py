"""The page: an exported model in the browser, in one HTML file with onnxruntime's WebAssembly inside.

``assets/`` is what ``npm run build`` makes of ``page/src``; Python only puts models into it, or serves it.
"""
