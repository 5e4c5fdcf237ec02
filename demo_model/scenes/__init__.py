"""A procedural renderer of still scenes with exact depth, in numpy.

``render_scene(seed, size_hw)`` is the whole interface: the same seed and size give the same picture and depth.

World: x right, y forward, z up, in metres. Depth is **z-depth**: the distance along the optical axis, not along the ray.
What the training uses is its inverse (1/m), with 0 for the sky.
"""

from demo_model.scenes.compose import render_scene

__all__ = ["render_scene"]
