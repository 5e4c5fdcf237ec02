"""What a layout hands to the renderer: solids, a camera, light and air."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from demo_model.scenes.camera import Camera
from demo_model.scenes.primitives import Solid
from demo_model.scenes.textures import Texture

Array = np.ndarray


@dataclass(frozen=True)
class Light:
    """The main light: a distant sun or a lamp in the room.

    Attributes:
        towards: (3,) unit vector to the sun, or the lamp's position in metres when ``is_lamp``.
        colour: (3,) linear RGB of the direct light.
        softness: half angle of the source in radians; 0 casts hard shadows.
        ambient: (3,) linear RGB of the light that comes from everywhere.
        from_above: (3,) the part of the surrounding light that comes from above only.
    """

    towards: Array
    colour: Array
    softness: float
    ambient: Array
    from_above: Array
    is_lamp: bool = False


@dataclass(frozen=True)
class Air:
    """Sky and haze.

    Attributes:
        horizon, zenith: (3,) linear RGB.
        clouds: texture and amount of the clouds.
        cloud_edge: how fast they end, in reciprocal texture values: 3 is soft, 15 ragged.
        haze: extinction, 1/m.
        haze_colour: (3,) linear RGB.
    """

    horizon: Array
    zenith: Array
    clouds: Texture
    cloud_amount: float
    haze: float
    haze_colour: Array
    cloud_edge: float = 3.0


@dataclass
class Scene:
    """All that is in front of the camera, and how it is photographed.

    Attributes:
        aperture: circle of confusion in pixels for a whole unit (1/m) of defocus, for a picture 100 pixels long; 0 for none.
        focus: inverse metres of the plane in focus.
    """

    camera: Camera
    light: Light
    air: Air
    solids: list[Solid] = field(default_factory=list)
    aperture: float = 0.0
    focus: float = 0.0
