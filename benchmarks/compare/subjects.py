"""The models that are compared: published architectures at full size, as transformers builds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from transformers import (
    BeitConfig,
    BitConfig,
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    DPTConfig,
    DPTForDepthEstimation,
    Swinv2Config,
    Tipsv2DptConfig,
    Tipsv2DptForDepthEstimation,
)


@dataclass(frozen=True)
class Subject:
    """One model at one size.

    Attributes:
        name: for the command line and the tables.
        size: pixels a side of the square input that is timed.
        build: makes the model of transformers; the weights do not matter yet.
        options: what ``dptscope export`` needs to be told.
        any_size: whether the plain export is made for other sizes than ``size``, too.
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


def _midas_3(is_hybrid: bool) -> Any:
    """MiDaS 3.0: DPT-Large, or DPT-Hybrid with its ResNet in front; else as ``DPTConfig`` has it."""
    large = {"hidden_size": 1024, "num_attention_heads": 16, "num_hidden_layers": 24, "intermediate_size": 4096}
    resnet = {
        "backbone_config": BitConfig(
            layer_type="bottleneck",
            depths=[3, 4, 9],
            hidden_sizes=[256, 512, 1024],
            global_padding="same",
            embedding_dynamic_padding=True,
            out_features=["stage1", "stage2", "stage3"],
        ),
        "backbone_featmap_shape": [1, 1024, 24, 24],
        "neck_ignore_stages": [0, 1],
        "reassemble_factors": [1, 1, 1, 0.5],
    }
    config = DPTConfig(
        **(resnet if is_hybrid else large),
        is_hybrid=is_hybrid,
        layer_norm_eps=1e-6,
        backbone_out_indices=[2, 5, 8, 11] if is_hybrid else [5, 11, 17, 23],
        neck_hidden_sizes=[256, 512, 768, 768] if is_hybrid else [256, 512, 1024, 1024],
        readout_type="project",
    )
    return DPTForDepthEstimation(config)


def _dpt_dinov2_small() -> Any:
    backbone = Dinov2Config(
        hidden_size=384,
        num_hidden_layers=12,
        num_attention_heads=6,
        image_size=518,
        patch_size=14,
        out_indices=[3, 6, 9, 12],
        apply_layernorm=False,
        reshape_hidden_states=False,
    )
    config = DPTConfig(
        backbone_config=backbone,
        is_hybrid=False,
        neck_hidden_sizes=[48, 96, 192, 384],
        neck_ignore_stages=[],
        add_projection=True,
        use_bias_in_fusion_residual=False,
    )
    return DPTForDepthEstimation(config)


# of a ViT-S: 16 to 19 % of such a block's weights are subnormal; in two blocks of the shipped model 5 to 13 %
PEAKED = 24.0

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
            "dpt_hybrid",
            384,
            lambda: _midas_3(is_hybrid=True),
            ("--variant", "midas-dpt-hybrid"),
            any_size=False,  # its padding in symbols keeps the plain export busy for longer than ten minutes
        ),
        Subject("dpt_large", 384, lambda: _midas_3(is_hybrid=False)),
        Subject("tipsv2_b14", 448, lambda: Tipsv2DptForDepthEstimation(Tipsv2DptConfig())),
        Subject("dpt_dinov2_small", 518, _dpt_dinov2_small, ("--variant", "dpt-dinov2-nyu")),
        Subject(
            "vitl",
            518,
            lambda: _depth_anything(1024, 24, [5, 12, 18, 24], [256, 512, 1024, 1024], 256),
            _V2,
        ),
    )
}
