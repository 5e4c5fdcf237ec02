"""The command on a machine where only the base package is installed."""

from __future__ import annotations

import subprocess
import sys

# Importing any of these raises: a machine where only the base package is installed.
WITHOUT_TORCH = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "onnx", "onnx_ir", "onnxscript", "onnxsim"):
            raise ImportError(name + " is not for this process")
sys.meta_path.insert(0, Refuse())
from dptscope.commands.app import run
sys.exit(run(sys.argv[1:]))
"""


def run_without_torch(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_TORCH, *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)
