"""Scenes that no training sees, rendered once and kept in memory, and the model's figures on them."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from demo_model.metrics import mean_scores, scores
from demo_model.model import to_input
from demo_model.scenes.compose import HELD_OUT_SEED, render_scene

Array = np.ndarray
SIZE = (224, 224)


class HeldOut:
    """``count`` scenes from the held-out seeds, at 224 × 224."""

    def __init__(self, count: int) -> None:
        pairs = [render_scene(HELD_OUT_SEED + index, SIZE) for index in range(count)]
        self.rgb_nhwc = np.stack([rgb for rgb, _ in pairs])
        self.inverse_nhw = np.stack([inverse for _, inverse in pairs])

    @torch.inference_mode()
    def predict(self, model: nn.Module) -> Array:
        """(N, H, W) float32."""
        device = next(model.parameters()).device
        batches = [
            model(to_input(torch.from_numpy(self.rgb_nhwc[start : start + 16]).to(device))).float().cpu().numpy()
            for start in range(0, len(self.rgb_nhwc), 16)
        ]
        return np.concatenate(batches)

    def figures(self, model: nn.Module) -> dict[str, float]:
        """Mean AbsRel, δ1 and R² of the model."""
        predicted_nhw = self.predict(model)
        return mean_scores([scores(p, t, t > 0) for p, t in zip(predicted_nhw, self.inverse_nhw, strict=True)])
