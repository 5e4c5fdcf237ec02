"""The models that are compared: published architectures at full size, as transformers builds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from transformers import (
    BeitConfig,
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    DPTConfig,
    DPTForDepthEstimation,
    Swinv2Config,
)


@dataclass(frozen=True)
class Subject:
    """One model at one size.

    Attributes:
        name: for the command line and the tables.
        size: pixels a side of the square input that is timed.
        build: makes the model of transformers; the weights do not matter yet.
        options: what ``dptscope export`` needs to be told.
        any_size: whether the model takes other sizes than ``size``.
        sharpness: factor on the queries of every fourth block's random weights, where it is a Depth Anything: a trained
            attention is peaked, and then many of its weights are subnormal numbers.
        shipped: whether it has the weights of the model that comes with the package.
    """

    name: str
    size: int
    build: Callable[[], Any]
    options: tuple[str, ...] = ()
    any_size: bool = True
    sharpness: float = 1.0
    shipped: bool = False


def _depth_anything(
    width: int, blocks: int, taps: list[int], maps: list[int], fusion: int, image_size: int = 518, head: int = 32
) -> Any:
    backbone = Dinov2Config(
        hidden_size=width,
        num_hidden_layers=blocks,
        num_attention_heads=width // 64,
        image_size=image_size,
        patch_size=14,
        out_indices=taps,
        apply_layernorm=True,
        reshape_hidden_states=False,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        patch_size=14,
        reassemble_hidden_size=width,
        neck_hidden_sizes=maps,
        fusion_hidden_size=fusion,
        head_hidden_size=head,
    )
    return DepthAnythingForDepthEstimation(config)


def _dpt(backbone: BeitConfig | Swinv2Config) -> Any:
    config = DPTConfig(
        backbone_config=backbone,
        readout_type="project",
        neck_hidden_sizes=[96, 192, 384, 768],
        fusion_hidden_size=256,
    )
    return DPTForDepthEstimation(config)


def _shipped() -> Any:
    """Of the shipped model's shape; its weights come later."""
    return _depth_anything(192, 12, [3, 6, 9, 12], [24, 48, 96, 96], 32, image_size=224, head=16)


def _beit_base() -> Any:
    return _dpt(
        BeitConfig(
            image_size=384,
            layer_norm_eps=1e-6,
            use_relative_position_bias=True,
            use_mask_token=False,
            reshape_hidden_states=False,
            out_indices=[3, 6, 9, 12],
        )
    )


def _swinv2_tiny() -> Any:
    return _dpt(
        Swinv2Config(
            image_size=256,
            embed_dim=96,
            depths=[2, 2, 6, 2],
            num_heads=[3, 6, 12, 24],
            window_size=16,
            pretrained_window_sizes=[0, 0, 0, 0],
            out_indices=[1, 2, 3, 4],
        )
    )


PEAKED = 24.0  # of a ViT-S: 16 to 19 % of such a block's weights are subnormal; in two blocks of the shipped model 5 to 13 %

_V2 = ("--variant", "depth-anything-v2")

SUBJECTS = {
    subject.name: subject
    for subject in (
        Subject("vits", 518, lambda: _depth_anything(384, 12, [3, 6, 9, 12], [48, 96, 192, 384], 64), _V2),
        Subject(
            "vits_peaked",
            518,
            lambda: _depth_anything(384, 12, [3, 6, 9, 12], [48, 96, 192, 384], 64),
            _V2,
            sharpness=PEAKED,
        ),
        Subject("shipped", 518, _shipped, _V2, shipped=True),
        Subject("beit_base", 384, _beit_base),
        Subject("swinv2_tiny", 256, _swinv2_tiny, any_size=False),
        Subject(
            "vitl",
            518,
            lambda: _depth_anything(1024, 24, [5, 12, 18, 24], [256, 512, 1024, 1024], 256),
            _V2,
        ),
    )
}
