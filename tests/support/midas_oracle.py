"""The independent oracle of the MiDaS families: transformers' BEiT and Swin V2 with lively random weights.

Where transformers differs from the original, the difference is taken out here, by name: BEiT's epsilon, the fusion of odd
grids, and Swin V2's one window and one shift for both axes.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from support.oracle import enliven
from torch import Tensor
from transformers import BeitConfig, DPTConfig, DPTForDepthEstimation, Swinv2Config

from dptscope_export.checkpoints.read import Checkpoint

MASKED = -100.0


def beit(grid: int = 6, blocks: int = 4, seed: int = 0, fusion: int = 24) -> DPTForDepthEstimation:
    """A small BEiT of transformers, native to ``grid`` × ``grid`` patches, tapped after the last block of each quarter."""
    backbone = BeitConfig(
        hidden_size=64,
        num_hidden_layers=blocks,
        num_attention_heads=4,
        intermediate_size=96,
        image_size=16 * grid,
        patch_size=16,
        layer_norm_eps=1e-6,  # the original's; the published configs say 1e-12
        use_relative_position_bias=True,
        use_absolute_position_embeddings=False,
        use_mask_token=False,
        reshape_hidden_states=False,
        out_indices=[blocks * quarter // 4 for quarter in (1, 2, 3, 4)],
    )
    return _lively(_dpt(backbone, [16, 24, 32, 48], fusion), seed, 16 * grid)


def swinv2(
    size: int = 128,
    window: int = 8,
    pretrained: tuple[int, int, int, int] = (4, 4, 4, 2),
    depths: tuple[int, int, int, int] = (2, 1, 1, 1),
    seed: int = 0,
    fusion: int = 24,
) -> DPTForDepthEstimation:
    """A small Swin V2 of transformers for images of ``size`` × ``size`` pixels."""
    backbone = Swinv2Config(
        image_size=size,
        patch_size=4,
        embed_dim=16,
        depths=list(depths),
        num_heads=[1, 2, 4, 8],
        window_size=window,
        pretrained_window_sizes=list(pretrained),
        out_indices=[1, 2, 3, 4],
        layer_norm_eps=1e-5,
    )
    return _lively(_dpt(backbone, [16, 32, 64, 128], fusion), seed, 128)


def _dpt(backbone: BeitConfig | Swinv2Config, widths: list[int], fusion: int) -> DPTForDepthEstimation:
    config = DPTConfig(
        backbone_config=backbone, readout_type="project", neck_hidden_sizes=widths, fusion_hidden_size=fusion
    )
    return DPTForDepthEstimation(config).eval()


def _lively(model: DPTForDepthEstimation, seed: int, size: int) -> DPTForDepthEstimation:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        enliven(model, seed)
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("logit_scale"):
                parameter.copy_(2.3 + 0.5 * noise)
            elif "continuous_position_bias_mlp" in name and name.endswith("weight"):
                parameter.copy_(noise * (1.4 / parameter.shape[1] ** 0.5))
        # The final ReLU cuts a twentieth of the depth.
        before: list[Tensor] = []
        last = model.head.head[4]
        hook = last.register_forward_hook(lambda _module, _inputs, output: before.append(output))
        model(torch.randn(1, 3, size, size, generator=generator))
        hook.remove()
        last.bias -= before[0].quantile(0.05)
    return model


def run(model: DPTForDepthEstimation, image: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Depth ``[B, H, W]`` and the tokens that leave each block, as the backbone keeps them: ``[B, N, C]``."""
    tokens: list[Tensor] = []
    hooks = [
        block.register_forward_hook(lambda _m, _i, out: tokens.append(out[0] if isinstance(out, tuple) else out))
        for block in _blocks(model)
    ]
    try:
        with torch.no_grad():
            depth = model(image).predicted_depth
    finally:
        for hook in hooks:
            hook.remove()
    return depth, tokens


def _blocks(model: DPTForDepthEstimation) -> list[torch.nn.Module]:
    if model.config.backbone_config.model_type == "swinv2":
        return [block for stage in model.backbone.encoder.layers for block in stage.blocks]
    (layers,) = (
        module
        for name, module in model.backbone.named_modules()
        if isinstance(module, torch.nn.ModuleList) and name.split(".")[-1] in ("layer", "layers")
    )
    return list(layers)


def fuse_as_the_original(model: DPTForDepthEstimation, scales: tuple[float, ...] = (1, 1, 1, 1)) -> None:
    """transformers doubles each map and then fits the next one to it, so that a coarsest map that was rounded up makes the
    depth too large. The original resizes to the size of the next map.

    ``scales`` multiply what comes into fusion blocks 1 to 4 from below; into block 4 comes the coarsest map."""

    def fuse(maps: list[Tensor], **_: Any) -> list[Tensor]:
        carried = None
        coarse_to_fine = list(reversed(maps))
        for index, (layer, skip) in enumerate(zip(model.neck.fusion_stage.layers, coarse_to_fine, strict=True)):
            scale = scales[3 - index]
            carried = scale * skip if carried is None else scale * carried + layer.residual_layer1(skip)
            carried = layer.residual_layer2(carried)
            finer = coarse_to_fine[index + 1] if index + 1 < len(coarse_to_fine) else None
            size = finer.shape[-2:] if finer is not None else tuple(2 * side for side in carried.shape[-2:])
            carried = F.interpolate(carried, size=size, mode="bilinear", align_corners=True)
            carried = layer.projection(carried)
        assert carried is not None
        return [carried]

    model.neck.fusion_stage.forward = fuse


def use_windows_per_axis(model: DPTForDepthEstimation) -> None:
    """Put the definition in, for any size: dense attention over the whole padded grid, where a mask does the windows.

    Written pair by pair from the definition, so that it shares nothing with the exporter's index arithmetic.
    """
    window = model.config.backbone_config.window_size
    for stage in model.backbone.encoder.layers:
        for index, block in enumerate(stage.blocks):
            block.forward = _dense_block(block, window, shifted=index % 2 == 1)


def _dense_block(block: Any, window: int, shifted: bool) -> Callable[..., tuple[Tensor]]:
    def forward(tokens: Tensor, grid: tuple[int, int], *_: Any, **__: Any) -> tuple[Tensor]:
        mixed = _dense_attention(block.attention.self, tokens, grid, window, shifted)
        tokens = tokens + block.layernorm_before(block.attention.output.dense(mixed))
        return (tokens + block.layernorm_after(block.output(block.intermediate(tokens))),)

    return forward


def _dense_attention(attention: Any, tokens: Tensor, grid: tuple[int, int], window: int, shifted: bool) -> Tensor:
    batch, _, width = tokens.shape
    axes = [_axis(size, window, shifted) for size in grid]
    (rows, clipped_h), (columns, clipped_w) = axes
    padded_h, padded_w = len(rows), len(columns)
    image = tokens.reshape(batch, *grid, width)
    image = F.pad(image, (0, 0, 0, padded_w - grid[1], 0, padded_h - grid[0])).flatten(1, 2)

    def heads(layer: torch.nn.Module) -> Tensor:
        return layer(image).reshape(batch, padded_h * padded_w, attention.num_attention_heads, -1).transpose(1, 2)

    query, key = F.normalize(heads(attention.query), dim=-1), F.normalize(heads(attention.key), dim=-1)
    logits = query @ key.transpose(-2, -1) * attention.logit_scale.clamp(max=torch.tensor(100.0).log()).exp()

    # For every padded row: its window, its place there, and whether the shift brought it from the start.
    table = _bias_table(attention, clipped_h, clipped_w)
    place_h, place_w = (torch.tensor([place for _, place, _ in axis]) for axis in (rows, columns))
    offset_h = place_h[:, None] - place_h[None, :] + clipped_h - 1
    offset_w = place_w[:, None] - place_w[None, :] + clipped_w - 1
    logits = logits + _pairs(table[:, offset_h][..., offset_w], padded_h, padded_w)
    same = torch.ones(padded_h, padded_w, padded_h, padded_w, dtype=torch.bool)
    together = same.clone()
    for axis, view in ((rows, (padded_h, 1, padded_h, 1)), (columns, (1, padded_w, 1, padded_w))):
        window_of = torch.tensor([number for number, _, _ in axis])
        wrapped = torch.tensor([brought for _, _, brought in axis])
        same &= (window_of[:, None] == window_of[None, :]).reshape(view)
        together &= (wrapped[:, None] == wrapped[None, :]).reshape(view)
    count = padded_h * padded_w
    logits = logits + torch.where(together, 0.0, MASKED).reshape(count, count)
    logits = logits.masked_fill(~same.reshape(count, count), -torch.inf)

    mixed = (logits.softmax(dim=-1) @ heads(attention.value)).transpose(1, 2)
    mixed = mixed.reshape(batch, padded_h, padded_w, width)
    return mixed[:, : grid[0], : grid[1]].flatten(1, 2)


def _axis(size: int, window: int, shifted: bool) -> tuple[list[tuple[int, int, bool]], int]:
    """Window, place in the window and wrap for each padded position; and the clipped window."""
    clipped = min(size, window)
    padded = -(-size // clipped) * clipped
    shift = window // 2 if shifted and size > window else 0
    after = [(position - shift) % padded for position in range(padded)]
    return [(place // clipped, place % clipped, place >= padded - shift) for place in after], clipped


def _bias_table(attention: Any, window_h: int, window_w: int) -> Tensor:
    """``[heads, 2 * window_h - 1, 2 * window_w - 1]``: offsets from key to query."""
    spans = [
        (pretrained or window) - 1
        for pretrained, window in zip(attention.pretrained_window_size, (window_h, window_w), strict=True)
    ]
    scaled = [
        8 * torch.arange(1 - window, window, dtype=torch.float32) / max(span, 1)
        for window, span in zip((window_h, window_w), spans, strict=True)
    ]
    logs = [axis.sign() * torch.log2(axis.abs() + 1) / 3 for axis in scaled]
    offsets = torch.stack(torch.meshgrid(*logs, indexing="ij"), dim=-1)
    return 16 * attention.continuous_position_bias_mlp(offsets).permute(2, 0, 1).sigmoid()


def _pairs(bias: Tensor, rows: int, columns: int) -> Tensor:
    """``[heads, row, other row, column, other column]`` to ``[heads, place, other place]``."""
    return bias.permute(0, 1, 3, 2, 4).reshape(-1, rows * columns, rows * columns)


def published(name: str, config: dict[str, object] | None = None) -> Checkpoint:
    """A checkpoint with the names and shapes of a published one, and no values."""
    with (Path(__file__).parents[1] / "data" / "published" / f"{name}.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    tensors = {row["name"]: torch.empty([int(side) for side in row["shape"].split("x")], device="meta") for row in rows}
    return Checkpoint(name, tensors, "", config)


def to_original(hub_tensors: dict[str, Tensor], config: DPTConfig) -> dict[str, Tensor]:
    """Tensors in the names of the published ``.pt`` files, with all that those files carry and no model uses.

    Written from the two lists of published names, apart from the exporter's key maps.
    """
    backbone = config.backbone_config
    is_swin = backbone.model_type == "swinv2"
    original: dict[str, Tensor] = {}
    joint: dict[str, dict[str, Tensor]] = {}
    for name, tensor in hub_tensors.items():
        block = re.fullmatch(r"backbone\.encoder\.(?:layer|layers\.(\d+)\.blocks)\.(\d+)\.(.*)", name)
        if block is None:
            original[_outside_blocks(name)] = tensor
            continue
        stage, index, rest = block.groups()
        theirs = (
            f"pretrained.model.blocks.{index}" if stage is None else f"pretrained.model.layers.{stage}.blocks.{index}"
        )
        part = re.fullmatch(r"attention\.(?:attention|self)\.(query|key|value)\.(weight|bias)", rest)
        if part is not None:
            joint.setdefault(f"{theirs}.attn", {})[f"{part[1]}.{part[2]}"] = tensor
        else:
            original[f"{theirs}.{_inside_block(rest)}"] = tensor
    for attention, parts in joint.items():
        original[f"{attention}.qkv.weight"] = torch.cat([parts[f"{part}.weight"] for part in ("query", "key", "value")])
        original[f"{attention}.q_bias"] = parts["query.bias"]
        original[f"{attention}.v_bias"] = parts["value.bias"]

    width = original["pretrained.model.patch_embed.proj.bias"].shape[0]
    original |= {"pretrained.model.head.weight": torch.zeros(10, width), "pretrained.model.head.bias": torch.zeros(10)}
    if is_swin:
        places = backbone.window_size**2
        windows = (backbone.image_size // backbone.patch_size // backbone.window_size) ** 2
        original["pretrained.model.layers.0.blocks.1.attn_mask"] = torch.zeros(windows, places, places)
        original |= {f"pretrained.model.norm.{leaf}": torch.zeros(8 * width) for leaf in ("weight", "bias")}
    else:
        tokens = 1 + (backbone.image_size // backbone.patch_size) ** 2
        index = torch.zeros(tokens, tokens, dtype=torch.int64)
        original["pretrained.model.blocks.0.attn.relative_position_index"] = index
        original |= {f"pretrained.model.fc_norm.{leaf}": torch.zeros(width) for leaf in ("weight", "bias")}
    return original


def _inside_block(rest: str) -> str:
    for theirs, ours in (
        ("attention.output.dense", "attn.proj"),
        (
            "attention.attention.relative_position_bias.relative_position_bias_table",
            "attn.relative_position_bias_table",
        ),
        ("attention.self.continuous_position_bias_mlp", "attn.cpb_mlp"),
        ("attention.self.logit_scale", "attn.logit_scale"),
        ("intermediate.dense", "mlp.fc1"),
        ("output.dense", "mlp.fc2"),
        ("layernorm_before", "norm1"),
        ("layernorm_after", "norm2"),
        ("lambda_1", "gamma_1"),
        ("lambda_2", "gamma_2"),
    ):
        if rest.startswith(theirs):
            return ours + rest.removeprefix(theirs)
    raise AssertionError(rest)


def _outside_blocks(name: str) -> str:
    words, leaf = name.split("."), name.rpartition(".")[2]
    if name.startswith("backbone.embeddings"):
        return {
            "cls_token": "pretrained.model.cls_token",
            "patch_embeddings": f"pretrained.model.patch_embed.proj.{leaf}",
            "norm": f"pretrained.model.patch_embed.norm.{leaf}",
        }[words[2]]
    if name.startswith("backbone.encoder.layers"):
        return f"pretrained.model.layers.{words[3]}.downsample.{'.'.join(words[5:])}"
    if name.startswith("neck.reassemble_stage.readout_projects"):
        return f"pretrained.act_postprocess{int(words[3]) + 1}.0.project.0.{leaf}"
    if name.startswith("neck.reassemble_stage.layers"):
        return f"pretrained.act_postprocess{int(words[3]) + 1}.{ {'projection': 3, 'resize': 4}[words[4]] }.{leaf}"
    if name.startswith("neck.convs"):
        return f"scratch.layer{int(words[2]) + 1}_rn.weight"
    if name.startswith("neck.fusion_stage"):
        refine = f"scratch.refinenet{4 - int(words[3])}"
        if words[4] == "projection":
            return f"{refine}.out_conv.{leaf}"
        unit, conv = words[4].removeprefix("residual_layer"), words[5].removeprefix("convolution")
        return f"{refine}.resConfUnit{unit}.conv{conv}.{leaf}"
    assert name.startswith("head.head"), name
    return f"scratch.output_conv.{words[2]}.{leaf}"
