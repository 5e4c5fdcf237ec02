"""A model whose outliers are made by neurons that are known, and registers at test time written a second time.

Real outliers are made by a handful of MLP neurons (Jiang et al. 2025, arXiv 2506.08010). Here a pair of neurons of a block
fires on the tokens that point one way, and writes one long vector: GELU(z) - GELU(z - 40) is nothing below 0 and 40 above.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

SATURATED = 40.0
CHANNELS = (3, 17, 40)  # that the outliers stand out in

Neuron = tuple[int, int]


def layers_of(model: Any) -> Any:
    encoder = model.backbone.encoder
    return encoder.layer if hasattr(encoder, "layer") else encoder.layers


def plant(model: Any, image: torch.Tensor, blocks: Sequence[int], length: float, share: float = 0.03) -> list[Neuron]:
    """Plant two neurons in each of some blocks, and return where.

    Args:
        model: a Depth Anything of transformers; it is changed.
        image: of its tokens these neurons fire on a share.
        blocks: where.
        length: of what one block writes.
        share: of the patches.
    """
    planted = []
    for block in blocks:
        layer = layers_of(model)[block]
        fc1, fc2 = layer.mlp.fc1, layer.mlp.fc2
        pair = (5, 6)
        direction = torch.randn(fc1.in_features, generator=torch.Generator().manual_seed(1))
        direction /= direction.norm()
        seen: list[torch.Tensor] = []
        hook = fc1.register_forward_hook(lambda _m, inputs, _o, seen=seen: seen.append(inputs[0]))
        with torch.no_grad():
            model(image)
            hook.remove()
            along = seen[0][0, 1:] @ direction
            threshold = along.quantile(1 - share)
            gain = SATURATED / float(0.15 * along.std())
            written = torch.zeros(fc2.out_features)
            written[list(CHANNELS)] = torch.tensor([1.0, -0.7, 0.5])
            written *= length / (SATURATED * written.norm() * layer.layer_scale2.lambda1)
            for neuron, offset, sign in ((pair[0], 0.0, 1.0), (pair[1], SATURATED, -1.0)):
                fc1.weight[neuron] = gain * direction
                fc1.bias[neuron] = -gain * threshold - offset
                fc2.weight[:, neuron] = sign * written
        planted += [(block, neuron) for neuron in pair]
    return planted


@contextmanager
def without(model: Any, neurons: Sequence[Neuron]) -> Iterator[None]:
    """The model before planting: what these neurons write is nothing."""
    kept = [layers_of(model)[block].mlp.fc2.weight.data[:, neuron].clone() for block, neuron in neurons]
    try:
        for block, neuron in neurons:
            layers_of(model)[block].mlp.fc2.weight.data[:, neuron] = 0
        yield
    finally:
        for (block, neuron), column in zip(neurons, kept, strict=True):
            layers_of(model)[block].mlp.fc2.weight.data[:, neuron] = column


@contextmanager
def registers(model: Any, neurons: Sequence[Neuron], values: Sequence[float], tokens: torch.Tensor) -> Iterator[None]:
    """Registers at test time, as the paper words them: the hidden activations themselves are changed, token by token."""
    count = len(tokens)

    def append(_module: Any, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
        return torch.cat([output, tokens.expand(len(output), -1, -1)], dim=1)

    def strip(_module: Any, _inputs: Any, output: Any) -> Any:
        output["feature_maps"] = tuple(each[:, :-count] for each in output["feature_maps"])
        return output

    def shift(block: int) -> Any:
        def change(_module: Any, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
            hidden = inputs[0].clone()
            for (of, neuron), value in zip(neurons, values, strict=True):
                if of == block:
                    for photo in hidden[..., neuron]:
                        patches = photo[1:-count].clone()
                        photo[-count:] = patches[patches.abs().argmax()]
                        photo[1:-count] = value
            return (hidden,)

        return change

    hooks = [model.backbone.embeddings.register_forward_hook(append), model.backbone.register_forward_hook(strip)]
    for block, layer in enumerate(layers_of(model)):
        last = layer.mlp.fc2 if hasattr(layer.mlp, "fc2") else layer.mlp.weights_out
        hooks.append(last.register_forward_pre_hook(shift(block)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
