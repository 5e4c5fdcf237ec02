"""A model whose outliers are made by neurons that are known, and registers at test time written a second time.

Real outliers are made by a handful of MLP neurons (Jiang et al. 2025, arXiv 2506.08010). Here two neurons of a block fire on
the few tokens that point one way, and write one long vector; those of the next block fire on tokens that have it, and make it
longer. Both ways are far from ordinary tokens, so that no neuron need rise steeply: a gate from 0 to 40 within a tenth makes
of a token's last bit more than an export may differ by.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

CHANNELS = (3, 17, 40)  # that the outliers stand out in
PAIR = ((5, 40.0, 0.6), (6, 30.0, 0.4))  # neurons, their activation at an outlier, and their part of what is written
COMPONENT = 3  # of the photos' tokens: one with a long end on every photo
SHARE = 0.03  # of the tokens that are beyond the first threshold
FIRES, FULL = 1 / 2, 7 / 8  # of a normed token's length, along what the block before has written

Neuron = tuple[int, int]


def layers_of(model: Any) -> Any:
    encoder = model.backbone.encoder
    return encoder.layer if hasattr(encoder, "layer") else encoder.layers


def plant(model: Any, photos: Sequence[torch.Tensor], blocks: Sequence[int], lengths: Sequence[float]) -> list[Neuron]:
    """Plant two neurons in each of some blocks, and return where.

    Args:
        model: a Depth Anything of transformers; it is changed.
        photos: ``[1, 3, H, W]`` each; of their tokens the first block's neurons fire on a few.
        blocks: where.
        lengths: of what each of them writes at an outlier.
    """
    planted: list[Neuron] = []
    written = torch.zeros(model.config.backbone_config.hidden_size)
    written[list(CHANNELS)] = torch.nn.functional.normalize(torch.tensor([1.0, -0.7, 0.5]), dim=0)
    for block, length in zip(blocks, lengths, strict=True):
        layer = layers_of(model)[block]
        tokens = _normed(model, layer.mlp.fc1, photos)
        if not planted:
            direction, low, high = _long_end(tokens)
        else:
            direction, low, high = written, FIRES * len(written) ** 0.5, FULL * len(written) ** 0.5
        with torch.no_grad():
            for neuron, activation, part in PAIR:
                gain = activation / (high - low)
                layer.mlp.fc1.weight[neuron] = gain * direction
                layer.mlp.fc1.bias[neuron] = -gain * low
                column = written * length * part / activation
                layer.mlp.fc2.weight[:, neuron] = column / layer.layer_scale2.lambda1
                planted.append((block, neuron))
    return planted


def _normed(model: Any, fc1: torch.nn.Module, photos: Sequence[torch.Tensor]) -> torch.Tensor:
    """All patches as an MLP reads them ``[N, C]``."""
    seen: list[torch.Tensor] = []
    hook = fc1.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0][0, 1:]))
    with torch.no_grad():
        for photo in photos:
            model(photo)
    hook.remove()
    return torch.cat(seen)


def _long_end(tokens: torch.Tensor) -> tuple[torch.Tensor, float, float]:
    """A principal component, turned so that its long end is the positive one, and where that begins and ends."""
    centred = tokens - tokens.mean(dim=0)
    direction = torch.linalg.svd(centred, full_matrices=False).Vh[COMPONENT]
    direction = direction * (centred @ direction).pow(3).sum().sign()
    along = tokens @ direction
    return direction, float(along.quantile(1 - SHARE)), float(along.quantile(1 - SHARE / 4))


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
