"""From a torch model to an ONNX graph that keeps the contract and reads well."""
