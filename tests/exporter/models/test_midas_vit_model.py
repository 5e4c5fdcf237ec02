"""The torch models of MiDaS 3.0, the vision transformer and the hybrid, against transformers, in both checkpoint layouts."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from support import midas_oracle, midas_vit_oracle
from support.mistakes import Mistake, broken, patched
from support.oracle import save_hugging_face
from support.parity import model_apart

from dptscope_export.checkpoints.key_map import load_strictly
from dptscope_export.checkpoints.read import Checkpoint, read_checkpoint
from dptscope_export.errors import CheckpointError, VariantError
from dptscope_export.families import ExportOptions, midas_vit_keys, recognise
from dptscope_export.models import resnet, vit
from dptscope_export.models.dpt import DPT
from dptscope_export.models.resample import cubic_weights
from dptscope_export.pipeline import build

KINDS = ("large", "hybrid")
# Native, small, wide, tall, odd in one and in both directions, larger than native.
SIZES = [(96, 96), (32, 32), (64, 160), (192, 64), (80, 96), (32, 48), (112, 176)]


@dataclass(frozen=True)
class Case:
    """An implementation by others, and its weights in both layouts."""

    oracle: torch.nn.Module
    checkpoints: dict[str, Checkpoint]


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    found = {}
    for kind in KINDS:
        model = getattr(midas_vit_oracle, kind)(seed=31)
        folder = save_hugging_face(model, tmp_path_factory.mktemp(kind) / "hub")
        file = folder.parent / f"dpt_{kind}_384.pt"
        torch.save(midas_vit_oracle.to_original(load_file(folder / "model.safetensors")), file)
        midas_vit_oracle.take_any_size(model)
        found[kind] = Case(model, {"Hugging Face": read_checkpoint(folder), "original": read_checkpoint(file)})
    return found


def distances(case: Case, model: DPT, size: tuple[int, int]) -> tuple[float, float]:
    """Largest differences of depth and norms from the oracle, in units of their limits."""
    image = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(sum(size)))
    return model_apart(model, image, *midas_vit_oracle.run(case.oracle, image))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layout", ["Hugging Face", "original"])
@pytest.mark.parametrize("kind", KINDS)
def test_against_transformers(cases: dict[str, Case], kind: str, layout: str, size: tuple[int, int]) -> None:
    checkpoint = cases[kind].checkpoints[layout]
    depth, norms = distances(cases[kind], build(checkpoint, recognise(checkpoint, ExportOptions())), size)
    assert (depth <= 1, norms <= 1) == (True, True)


def pad_equally(model: DPT) -> None:
    for layer in model.modules():
        if isinstance(layer, resnet.ConvNorm) and layer.behind:
            layer.behind, layer.conv.padding = 0, (layer.conv.kernel_size[0] // 2,) * 2


def unbiased(kernels: Any) -> torch.Tensor:
    (kernel,) = kernels
    variance, mean = torch.var_mean(kernel.double(), dim=(1, 2, 3), keepdim=True)
    return (kernel - mean) / (variance + resnet.STANDARDISE_EPS).sqrt()


def final_relu_early(model: DPT) -> None:
    for layer in model.modules():
        if isinstance(layer, resnet.Bottleneck):
            layer.layer3.register_forward_hook(lambda _module, _inputs, output: output.relu())


MISTAKES: dict[str, tuple[str, Mistake]] = {
    "bicubic positions": ("large", patched(vit, "linear_weights", cubic_weights)),
    "epsilon of the blocks": ("large", patched(vit, "LAYER_NORM_EPS", 1e-5)),
    "epsilon of the kernels": ("hybrid", patched(resnet, "STANDARDISE_EPS", 1e-6)),
    "unbiased variance": ("hybrid", patched(midas_vit_keys, "standardise", unbiased)),
    "equal padding": ("hybrid", broken(pad_equally)),
    "a ReLU before the sum": ("hybrid", broken(final_relu_early)),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_would_show(cases: dict[str, Case], mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, make = MISTAKES[mistake]
    checkpoint = cases[kind].checkpoints["original"]
    model = make(monkeypatch, lambda: build(checkpoint, recognise(checkpoint, ExportOptions())))
    assert max(distances(cases[kind], model, (80, 96))) > 1


def test_what_the_checkpoints_tell(cases: dict[str, Case]) -> None:
    taps = {"large": (0, 1, 2, 3), "hybrid": (None, None, 2, 3)}
    for kind, case in cases.items():
        for layout, checkpoint in case.checkpoints.items():
            plan = recognise(checkpoint, ExportOptions())
            assert (plan.family, plan.layout, plan.variant) == ("midas_vit", layout, f"midas-dpt-{kind}")
            assert (plan.depth_kind, plan.taps, plan.has_cls) == ("relative", taps[kind], True)
            assert [(block.channels, block.stride, block.stage) for block in plan.blocks] == [(128, 16, 1)] * 4
            assert (plan.sizes.native, plan.sizes.multiple, plan.sizes.dynamic) == ((96, 96), 16, True)
            assert (plan.preparation.resize_rule, plan.preparation.multiple) == ("minimal", 32)


PUBLISHED: dict[str, dict[str, Any] | None] = {
    "dpt_large_384": None,
    "dpt-large": {"num_attention_heads": 16, "backbone_out_indices": [5, 11, 17, 23], "is_hybrid": False},
    "dpt_hybrid_384": None,
    "dpt-hybrid-midas": {"num_attention_heads": 12, "backbone_out_indices": [2, 5, 8, 11], "is_hybrid": True},
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_tensor_has_its_place(name: str) -> None:
    """Strictly: none is missing, none is left over but those that nobody uses."""
    said = PUBLISHED[name]
    hybrid = "hybrid" in name
    checkpoint = midas_oracle.published(
        name, None if said is None else {"model_type": "dpt", "layer_norm_eps": 1e-12, **said}
    )
    plan = recognise(checkpoint, ExportOptions(variant=f"midas-dpt-{'hybrid' if hybrid else 'large'}"))
    assert (plan.architecture, plan.sizes.native) == ("vitb_rn50_384" if hybrid else "vitl16_384", (384, 384))
    assert (plan.taps, len(plan.blocks)) == (((None, None, 8, 11), 12) if hybrid else ((5, 11, 17, 23), 24))
    with torch.device("meta"):
        model = plan.build()
        load_strictly(model, checkpoint, plan.key_map)
    heads = {module.heads for module in model.modules() if isinstance(module, vit.Attention)}
    assert heads == {12 if hybrid else 16}


def renamed(checkpoint: Checkpoint, name: str) -> Checkpoint:
    return replace(checkpoint, name=name, file="", config=None)


@pytest.mark.parametrize(
    ("name", "evidence"),
    [
        ("dpt_hybrid_384.pt", "the published file name dpt_hybrid_384.pt"),
        ("dpt_hybrid-midas-501f0c75.pt", "the published file name dpt_hybrid-midas-501f0c75.pt"),
        ("dpt_hybrid_384.safetensors", "the published file name dpt_hybrid_384.safetensors"),
        ("Intel/dpt-hybrid-midas", "the published repository Intel/dpt-hybrid-midas"),
    ],
)
def test_names_that_say_what_a_hybrid_is(cases: dict[str, Case], name: str, evidence: str) -> None:
    assert recognise(renamed(cases["hybrid"].checkpoints["original"], name), ExportOptions()).evidence == evidence


@pytest.mark.parametrize(
    "name", ["mine.pt", "dpt_hybrid_nyu-2ce69ec7.pt", "my_dpt_hybrid_384.pt", "me/dpt-hybrid-midas"]
)
def test_names_that_do_not(cases: dict[str, Case], name: str) -> None:
    checkpoint = renamed(cases["hybrid"].checkpoints["original"], name)
    with pytest.raises(VariantError, match=r"have the same tensors; if it is MiDaS', say --variant midas-dpt-hybrid$"):
        recognise(checkpoint, ExportOptions())
    plan = recognise(checkpoint, ExportOptions(variant="midas-dpt-hybrid"))
    assert plan.evidence == "--variant midas-dpt-hybrid"
    large = renamed(cases["large"].checkpoints["original"], name)
    assert recognise(large, ExportOptions()).evidence == "the tensors' names and shapes"


def test_what_the_user_must_not_say(cases: dict[str, Case]) -> None:
    for kind, other in (("large", "hybrid"), ("hybrid", "large")):
        checkpoint = cases[kind].checkpoints["original"]
        with pytest.raises(VariantError, match=f"the tensors say midas-dpt-{kind}, got --variant midas-dpt-{other}"):
            recognise(checkpoint, ExportOptions(variant=f"midas-dpt-{other}"))
        with pytest.raises(VariantError, match="--max-depth is for metric models"):
            recognise(checkpoint, ExportOptions(max_depth=20))


@pytest.mark.parametrize(
    ("kind", "said", "message"),
    [
        ("large", {"is_hybrid": True}, "expected is_hybrid False in config.json, got True"),
        ("large", {"hidden_act": "gelu_new"}, "expected hidden_act gelu in config.json"),
        ("large", {"layer_norm_eps": 1e-5}, "expected layer_norm_eps 1e-12 or 1e-06 in config.json"),
        ("large", {"readout_type": "ignore"}, "expected readout_type project in config.json"),
        ("large", {"num_attention_heads": 5}, "expected a width that is one that 5 heads divide, got 128"),
        ("large", {"num_attention_heads": 0}, "expected a number of num_attention_heads in config.json, got 0"),
        ("large", {"backbone_out_indices": [0, 1, 2, 4]}, "expected four backbone_out_indices from 0 to 3"),
        ("large", {"backbone_out_indices": [0, 2, 1, 3]}, r"in ascending order, got \[0, 2, 1, 3\]"),
        ("large", {"model_type": "vit"}, "expected model_type dpt in config.json"),
        ("hybrid", {"is_hybrid": False}, "expected is_hybrid True in config.json, got False"),
        ("hybrid", {"reassemble_factors": [1, 1, 2, 1]}, "expected reassemble_factors"),
        ("hybrid", {"backbone_config": []}, "expected a backbone_config with keys"),
        ("hybrid", {"backbone_config": {"model_type": "bit"}}, "expected layer_type bottleneck in config.json"),
    ],
)
def test_configs_of_other_models(cases: dict[str, Case], kind: str, said: dict[str, Any], message: str) -> None:
    checkpoint = cases[kind].checkpoints["Hugging Face"]
    assert checkpoint.config is not None
    with pytest.raises(CheckpointError, match=message):
        recognise(replace(checkpoint, config={**checkpoint.config, **said}), ExportOptions())


def test_a_config_of_few_words(cases: dict[str, Case]) -> None:
    """What transformers takes where nothing is said: the hybrid's backbone, and twelve heads, too many here."""
    checkpoint = cases["hybrid"].checkpoints["Hugging Face"]
    config = {"model_type": "dpt", "is_hybrid": True, "backbone_out_indices": [0, 1, 2, 3]}
    plan = recognise(replace(checkpoint, config={**config, "num_attention_heads": 2}), ExportOptions())
    assert (plan.evidence, plan.taps) == ("config.json", (None, None, 2, 3))
    with pytest.raises(CheckpointError, match="12 heads"):
        recognise(replace(checkpoint, config=config), ExportOptions())


@pytest.mark.parametrize(
    ("kind", "name", "shape", "message"),
    [
        ("large", "pretrained.model.pos_embed", (1, 36, 128), "expected positions of a class token and a square grid"),
        ("large", "pretrained.model.cls_token", (1, 1, 96), "expected a width that is a multiple of 64, got 96"),
        (
            "hybrid",
            "pretrained.model.patch_embed.backbone.stem.conv.weight",
            (48, 3, 7, 7),
            "expected channels in the ResNet that 32 groups divide, got 48",
        ),
    ],
)
def test_shapes_of_no_model(cases: dict[str, Case], kind: str, name: str, shape: tuple[int, ...], message: str) -> None:
    checkpoint = cases[kind].checkpoints["original"]
    broken = replace(checkpoint, tensors={**checkpoint.tensors, name: torch.zeros(shape)})
    with pytest.raises(CheckpointError, match=message):
        recognise(broken, ExportOptions())


def test_three_blocks(cases: dict[str, Case]) -> None:
    checkpoint = cases["large"].checkpoints["original"]
    few = {name: tensor for name, tensor in checkpoint.tensors.items() if ".blocks.3." not in name}
    with pytest.raises(CheckpointError, match="expected at least four transformer blocks, got 3"):
        recognise(replace(checkpoint, tensors=few), ExportOptions())


@pytest.mark.parametrize("kind", KINDS)
def test_in_any_wrapper(cases: dict[str, Case], kind: str, tmp_path: Path) -> None:
    """As a training script or torch.hub leaves it, and as the hub has the hybrid: config.json and pytorch_model.bin."""
    case = cases[kind]
    torch.save({"optimizer": {}, "model": {f"module.{n}": t for n, t in case.checkpoints["original"].tensors.items()}},
               tmp_path / f"dpt_{kind}_384.pt")  # fmt: skip
    torch.save(dict(case.checkpoints["Hugging Face"].tensors), tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text(json.dumps(case.checkpoints["Hugging Face"].config))
    for path, layout in ((tmp_path / f"dpt_{kind}_384.pt", "original"), (tmp_path, "Hugging Face")):
        checkpoint = read_checkpoint(path)
        assert checkpoint.tensors.keys() == case.checkpoints[layout].tensors.keys()
        build(checkpoint, recognise(checkpoint, ExportOptions()))
