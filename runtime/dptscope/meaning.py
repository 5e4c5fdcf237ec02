"""What a depth means: which of its ends is near, and in which unit it is. Nothing else decides that."""

from __future__ import annotations

from dptscope.card import DepthKind, ModelSpec


def grows_with_distance(kind: DepthKind) -> bool:
    """Whether a larger number is farther away."""
    return kind != "relative"


def in_words(spec: ModelSpec) -> str:
    """What a model's depth is, in a line for people."""
    if spec.depth_kind == "metric":
        return f"metres, up to {spec.max_depth:g}"
    if spec.depth_kind == "relative":
        return "relative inverse depth, larger is nearer"
    if spec.canonical_focal is None:
        return "distance up to a factor, larger is farther"
    return (
        f"metres × {spec.canonical_focal:g} / focal length in pixels of the model's input, larger is farther; "
        "--focal or --fov gives metres"
    )


def sixteen_bits_in_words(kind: DepthKind) -> str:
    """What the numbers of a depth in 16 bits are."""
    if kind == "metric":
        return "metres × 256"
    low, high = ("nearest", "farthest") if grows_with_distance(kind) else ("farthest", "nearest")
    return f"0 is the minimum, the {low}, 65535 the maximum, the {high}"
