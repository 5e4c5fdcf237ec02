"""An exported file without dptscope: what a program in another language has to do, in numpy, OpenCV and onnxruntime.

``python examples/onnxruntime_only.py MODEL.onnx PHOTO OUT.npy [S1 S2 S3 S4]``. The numbers equal dptscope's own; the steps
are those of ``docs/contract.md``.
"""

from __future__ import annotations

import json
import math
import sys
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort


def round_to(length: float, multiple: int, at_least: int) -> int:
    """The nearest multiple, or the next one above where that would be too small."""
    nearest = round(length / multiple) * multiple
    return nearest if nearest >= at_least else math.ceil(length / multiple) * multiple


def with_longest(photo_hw: tuple[int, int], longest: int) -> list[int]:
    """Sides of the photo whose longer one is ``longest``."""
    return [max(1, round(side * (longest / max(photo_hw)))) for side in photo_hw]


def size_for(photo_hw: tuple[int, int], meta: dict[str, Any]) -> tuple[int, int]:
    """Step 1: height and width at which the model sees the photo."""
    native_h, native_w = meta["native_size"]
    rule = meta["preparation"]
    if not meta["dynamic"] or rule["resize_rule"] == "exact":
        return native_h, native_w
    height, width = photo_hw
    by_height, by_width = native_h / height, native_w / width
    multiple = rule["multiple"]
    if rule["resize_rule"] == "longest":  # the nearest multiples, halfway up
        height, width = with_longest(photo_hw, max(native_h, native_w))
        return max((height + multiple // 2) // multiple, 1) * multiple, max(
            (width + multiple // 2) // multiple, 1
        ) * multiple
    if rule["resize_rule"] == "lower_bound":  # both sides at least the native ones
        factor, least_h, least_w = max(by_height, by_width), native_h, native_w
    else:  # "minimal": the factor nearer to one
        factor = by_width if abs(1 - by_width) < abs(1 - by_height) else by_height
        least_h = least_w = multiple
    return round_to(factor * height, multiple, least_h), round_to(factor * width, multiple, least_w)


def prepare(photo_bgr: np.ndarray, size_hw: tuple[int, int], meta: dict[str, Any]) -> np.ndarray:
    """Step 2: RGB, 0 … 1, resized, minus mean, by std; float32 [1, 3, height, width]."""
    rule = meta["preparation"]
    if rule["interpolation"] == "cubic":  # without antialiasing
        rgb = photo_bgr[:, :, ::-1].astype(np.float64) / 255
        resized = cv2.resize(rgb, (size_hw[1], size_hw[0]), interpolation=cv2.INTER_CUBIC)
    else:  # in bytes, in two steps
        resized = np.ascontiguousarray(photo_bgr[:, :, ::-1])
        for height, width in (with_longest(resized.shape[:2], max(size_hw)), size_hw):
            grows = height > resized.shape[0] or width > resized.shape[1]
            if resized.shape[:2] != (height, width):
                how = cv2.INTER_CUBIC if grows else cv2.INTER_AREA
                resized = cv2.resize(resized, (width, height), interpolation=how)
        resized = resized / 255
    normalised = (resized - np.array(rule["mean"])) / np.array(rule["std"])
    return np.ascontiguousarray(normalised.transpose(2, 0, 1)[None], dtype=np.float32)


def to_photo_size(depth_hw: np.ndarray, photo_hw: tuple[int, int], how: str) -> np.ndarray:
    """Step 4: back to the photo's size, as the original project does it."""
    height, width = photo_hw
    if how != "bilinear_align_corners":
        kernel = cv2.INTER_LINEAR if how == "bilinear" else cv2.INTER_CUBIC
        return cv2.resize(depth_hw, (width, height), interpolation=kernel)
    rows = np.linspace(0, depth_hw.shape[0] - 1, height)  # corners stay corners
    columns = np.linspace(0, depth_hw.shape[1] - 1, width)
    across = np.stack([np.interp(columns, np.arange(len(row)), row) for row in depth_hw])
    down = np.stack([np.interp(rows, np.arange(len(column)), column) for column in across.T], axis=1)
    return down.astype(np.float32)


def main(model_path: str, photo_path: str, target: str, *scales: str) -> None:
    options = ort.SessionOptions()
    options.log_severity_level = 3  # it warns that scales can be overridden, which is what they are for
    options.add_session_config_entry("session.set_denormal_as_zero", "1")  # see "Two settings worth a factor"
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = ort.InferenceSession(model_path, options)
    metadata = session.get_modelmeta().custom_metadata_map
    meta = {key: json.loads(metadata[f"dptscope.{key}"]) for key in ("native_size", "dynamic", "preparation")}

    photo = cv2.imread(photo_path)
    photo_hw = (photo.shape[0], photo.shape[1])
    image = prepare(photo, size_for(photo_hw, meta), meta)
    # Step 3: the image is all that must be fed. Outputs go by name.
    fusion_inputs = [f"fusion_input_{k}" for k in (1, 2, 3, 4)]
    depth, first_tokens, *maps = session.run(["depth", "block_00_tokens", *fusion_inputs], {"image": image})
    print("kind:", metadata["dptscope.depth_kind"], "- tokens of block 0:", first_tokens.shape)

    if scales:  # the companion: other scales without the encoder
        companion = ort.InferenceSession(model_path.removesuffix(".onnx") + ".fusion.onnx", options)
        feeds = dict(zip(fusion_inputs, maps, strict=True))
        feeds |= {f"fusion_scale_{k}": np.float32([scale]) for k, scale in enumerate(scales, start=1)}
        (depth,) = companion.run(["depth"], feeds)

    np.save(target, to_photo_size(depth[0], photo_hw, meta["preparation"]["output_resize"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
