"""What int8 does to outlier tokens, block by block: planted into a model that has none.

``python benchmarks/outliers.py MODEL.onnx``, of a DINOv2 with random weights. Real ones have tokens whose norm is ten times
that of the others (Darcet et al., "Vision Transformers Need Registers", 2023). Here two neurons of one block's MLP, a pair
that saturates, GELU(z) - GELU(z - 40), fire on the few tokens whose normalised state points one way, and write a vector of
three channels.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

import dptscope
from dptscope import contract
from dptscope.files.photos import read_image
from dptscope.prepare import prepare_image
from dptscope.session import Session, SessionOptions
from dptscope_export.quantise import recipe
from dptscope_export.quantise.photos import choose_photos
from dptscope_export.quantise.pipeline import quantise

NORM, HIDDEN = 370.0, 40.0
FEW = slice(3, 25)  # tokens that may fire, of all photos


def plant(model: onnx.ModelProto, block: int, read: np.ndarray[Any, Any]) -> int:
    """Plant the pair into a block; returns how many of the tokens ``read`` by its MLP, ``[tokens, channels]``, fire."""
    weights = {weight.name: weight for weight in model.graph.initializer}
    path = f"encoder/block_{block:02d}"

    def change(name: str, at: Any, numbers: np.ndarray[Any, Any]) -> None:
        array = numpy_helper.to_array(weights[name]).copy()
        array[at] = numbers
        weights[name].CopyFrom(numpy_helper.from_array(array, name))

    centred = read - read.mean(0)
    direction = centred[np.linalg.norm(centred, axis=1).argmax()]
    direction = direction / np.linalg.norm(direction)
    scores = np.sort(read @ direction)[::-1]
    gaps = (scores[:-1] - scores[1:])[FEW]
    last = FEW.start + int(gaps.argmax())
    steepness = 4 * HIDDEN / gaps.max()
    threshold = scores[last + 1] + gaps.max() / 2
    for neuron, shift in ((0, 0.0), (1, -HIDDEN)):
        change(f"{path}/mlp/fc1/weight", (slice(None), neuron), steepness * direction)
        change(f"{path}/mlp/fc1/bias", neuron, np.float32(shift - steepness * threshold))
    vector = np.zeros(read.shape[1], np.float32)
    vector[[5, 100, 300]] = NORM / np.sqrt(3) / HIDDEN
    scale = next((name for name in weights if name == f"{path}/scale2/gamma"), None)
    if scale is not None:
        vector = vector / numpy_helper.to_array(weights[scale]).ravel()
    change(f"{path}/mlp/fc2/weight", 0, vector)
    change(f"{path}/mlp/fc2/weight", 1, -vector)
    return last + 1


def read_by_mlp(path: Path, block: int, photos: list[Path], scratch: Path) -> np.ndarray[Any, Any]:
    """What a block's MLP reads, all tokens of all photos."""
    model = onnx.load(path)
    (node,) = (node for node in model.graph.node if node.name == f"encoder/block_{block:02d}/mlp/fc1/MatMul")
    model.graph.output.append(onnx.helper.make_tensor_value_info(node.input[0], 1, [None, None, None]))
    onnx.save(model, scratch / "read.onnx")
    session, card = Session(scratch / "read.onnx", SessionOptions()), dptscope.load(path).card
    inputs = [prepare_image(card, read_image(photo)) for photo in photos]
    return np.concatenate([session.run([node.input[0]], {contract.IMAGE: image})[0][0] for image in inputs])


def main(path: Path) -> None:
    photos = list(choose_photos((), calibrate=False).held_out)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        block = len(dptscope.load(path).card.blocks) * 2 // 3
        model = onnx.load(path)
        fire = plant(model, block, read_by_mlp(path, block, photos, scratch))
        planted = scratch / "planted.onnx"
        onnx.save(model, planted)
        for beside in (contract.companion_path, contract.preview_path):
            shutil.copy(beside(path), beside(planted))
        float_norms = [
            np.concatenate([norms.ravel() for norms in blocks])
            for blocks in zip(*(dptscope.load(planted).block_norms(read_image(photo)) for photo in photos), strict=True)
        ]
        print(f"planted into block {block}: {fire} tokens of {len(photos)} photos fire")
        made = {}
        for name, source, most in (
            ("none planted", path, np.inf),
            ("all int8", planted, np.inf),
            ("as it is", planted, recipe.MOST_PEAK),
        ):
            recipe.MOST_PEAK = most
            found = quantise(source, scratch / f"{name}.onnx", floor=0)
            print(name, found.card.fidelity.delta1, found.card.fidelity.correlation, *found.notes[:1], sep="; ")
            made[name] = found.card.fidelity.norms
        print("| block | norms: median, largest |", " | ".join(made), "|")
        for number, norms in enumerate(float_norms):
            errors = " | ".join(f"{of[number]:.1e}" for of in made.values())
            print(f"| {number} | {np.median(norms):.0f}, {norms.max():.0f} | {errors} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    main(parser.parse_args().model)
    sys.exit()
