"""The files of one subject, made once and kept: a Hugging Face folder, our pair, and torch's plain export."""

from __future__ import annotations

import re
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import dptscope
from benchmarks.compare.subjects import Subject

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from support.oracle import enliven, to_original

SEED = 3
# blocks: with all of twelve peaked, random weights amplify PyTorch's own rounding to a seventh of the range
PEAKED_EVERY = 4
ROOM = 10.0  # metres, of the families that have a range
SHIPPED = Path(dptscope.__file__).parent / "assets/dptscope_tiny.safetensors"


@dataclass(frozen=True)
class Files:
    """Where a subject's files are.

    Attributes:
        hub: ``config.json`` and ``model.safetensors``.
        ours: ``NAME.onnx``; its companion lies beside it.
        plain: the ONNX file that torch's exporter makes of the model of transformers.
    """

    hub: Path
    ours: Path
    plain: Path


def files_of(subject: Subject, folder: Path, again: bool = False) -> Files:
    """Make what is not there yet.

    Args:
        subject: the model.
        folder: where the files are kept.
        again: export ours once more; after a change of the exporter.
    """
    files = Files(
        hub=hub_of(subject, folder),
        ours=folder / subject.name / f"{subject.name}.onnx",
        plain=folder / subject.name / "plain" / "model.onnx",
    )
    if again or not files.ours.is_file():
        export_ours(subject, files)
    if not files.plain.is_file():
        export_plain(subject, files)
    return files


def hub_of(subject: Subject, folder: Path) -> Path:
    """The subject's Hugging Face folder, made where it is not there yet."""
    hub = folder / subject.name / "hub"
    if not (hub / "model.safetensors").is_file():
        lively_model(subject).save_pretrained(hub)
        if subject.shipped:
            write_shipped(hub / "model.safetensors")
    return hub


def load_torch(files: Files) -> Any:
    """The model of transformers with the subject's weights."""
    from transformers import AutoModelForDepthEstimation

    return AutoModelForDepthEstimation.from_pretrained(files.hub).eval().requires_grad_(False)


def lively_model(subject: Subject) -> Any:
    """Random weights that keep signals alive, and a last layer of whose depth the ReLU and the end of a range cut little."""
    torch.manual_seed(SEED)
    model = subject.build().eval().requires_grad_(False)
    enliven(model, SEED)
    for name, parameter in model.named_parameters():
        if name.endswith("logit_scale"):
            parameter.fill_(2.3)
        query = re.search(r"\.(\d+)\.attention\.(?:q_proj|attention\.query)\.", name)
        if query is not None and int(query[1]) % PEAKED_EVERY == PEAKED_EVERY - 1:
            parameter *= subject.sharpness
    if hasattr(model, "head"):  # whose last layer gives depth, not a share of each bin
        last = [module for module in model.head.modules() if isinstance(module, torch.nn.Conv2d)][-1]
        before: list[torch.Tensor] = []
        hook = last.register_forward_hook(lambda _module, _inputs, output: before.append(output))
        model(torch.randn(1, 3, subject.size, subject.size))
        hook.remove()
        some = before[0].flatten()[:: max(1, before[0].numel() // 10_000)]
        low, high = some.quantile(0.05), some.quantile(0.95)
        last.weight *= ROOM / (high - low)
        last.bias.copy_((last.bias - low) * ROOM / (high - low))
    return model


def write_shipped(weights: Path) -> None:
    """Put the weights of the model that comes with the package, in the original's layout, into a file of transformers.

    The way to that layout is known: so the place of every number is sent along it, and the numbers come back by it.
    """
    from safetensors.torch import load_file, save_file

    tensors = load_file(weights)
    ends = torch.cumsum(torch.tensor([0, *(tensor.numel() for tensor in tensors.values())]), 0).tolist()
    places = {
        name: torch.arange(start, start + tensor.numel()).reshape(tensor.shape)
        for (name, tensor), start in zip(tensors.items(), ends, strict=False)
    }
    numbers, original = torch.empty(ends[-1]), load_file(SHIPPED)
    for name, place in to_original(places).items():
        numbers[place] = original[name].float()
    save_file({name: numbers[place] for name, place in places.items()}, weights, metadata={"format": "pt"})


def export_ours(subject: Subject, files: Files) -> None:
    from dptscope.commands.app import run

    status = run(["export", str(files.hub), "-o", str(files.ours), *subject.options])
    if status:
        raise SystemExit(status)


def export_plain(subject: Subject, files: Files) -> None:
    """torch's current exporter with its defaults, any batch and size where the model traces so.

    The Depth Anything of transformers does not, though the exporter does not say: the file is right only at the size of the
    example, whose position embedding and output size it keeps.
    """
    files.plain.parent.mkdir(parents=True, exist_ok=True)
    axes: dict[int, Any] = {0: torch.export.Dim.DYNAMIC}
    if subject.any_size:
        axes |= {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _OnlyDepth(load_torch(files)),
            (torch.randn(2, 3, subject.size, subject.size),),
            files.plain,
            input_names=["image"],
            output_names=["depth"],
            dynamic_shapes=(axes,),
            dynamo=True,
            verbose=False,
        )


class _OnlyDepth(torch.nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.model(image).predicted_depth
