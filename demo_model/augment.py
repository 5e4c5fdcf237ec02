"""From clean rendered pictures to ones that a cheap camera could have taken, and any crop of them; a batch at a time.

Geometry moves picture and depth together; everything else touches the picture only. Every draw comes from the generator
that is passed in. Pictures are float32 ``[B, 3, H, W]`` in [0, 1].
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from demo_model.constants import constant

SKIP_UPSIDE_DOWN = 0.3
"""Share of the crops that get nearer towards the top which is left out. The renderer makes them at one in four, far above
what photographs hold, and with planes at any slant they are the hardest to read."""


class Draw:
    """Random numbers for a batch, on the generator's device; single ones from a generator of their own on the host, so that
    no step waits for the device."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator
        self._single = random.Random(generator.initial_seed())

    def number(self, low: float, high: float) -> float:
        return self._single.uniform(low, high)

    def choice(self, odds: Sequence[float]) -> int:
        return self._single.choices(range(len(odds)), odds)[0]

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=self.generator, device=self.generator.device)

    def normal(self, deviation: float, *shape: int) -> Tensor:
        return deviation * torch.randn(*shape, generator=self.generator, device=self.generator.device)

    def order(self, count: int) -> Tensor:
        return torch.randperm(count, generator=self.generator, device=self.generator.device)

    def smooth(self, count: int, channels: int, cells: int, size_hw: tuple[int, int]) -> Tensor:
        """``[count, channels, H, W]``: normal numbers on a coarse grid, interpolated."""
        return F.interpolate(
            self.normal(1.0, count, channels, cells, cells), size_hw, mode="bicubic", align_corners=True
        )


def recolour(rgb_bchw: Tensor, solid_bhw: Tensor, draw: Draw) -> Tensor:
    """Another brightness and hue for each solid, so that no colour tells a depth; light and shade stay as they are."""
    count = len(rgb_bchw)
    lightness_b1n = draw.normal(1.0, count, 1, 256) * draw.uniform(0, 0.7, count, 1, 1)
    hue_b3n = draw.normal(1.0, count, 3, 256) * draw.uniform(0, 0.35, count, 1, 1)
    index_b3n = solid_bhw.flatten(1).long()[:, None].expand(-1, 3, -1)
    gains_b3n = (lightness_b1n + hue_b3n).exp().gather(2, index_b3n)
    return (rgb_bchw * gains_b3n.view_as(rgb_bchw)).clamp(0, 1)


def sampling_grid(count: int, source_hw: tuple[int, int], aspect: float, draw: Draw) -> Callable[[int, int], Tensor]:
    """How crops are cut out: a function from a height and width to ``[B, height, width, 2]`` positions in the source.

    A crop has 0.3 to 1 of the area, up to 15 % of stretch, is turned by a few degrees, mirrored half the time, and half of
    them are warped: the renderer's shapes are all spheres, boxes and cones.
    """
    height, width = source_hw
    aspect_b = aspect * draw.normal(0.1, count).clamp(-0.15, 0.15).exp()
    area_b = draw.uniform(0.3, 1.0, count) * height * width
    crop_h = torch.minimum((area_b / aspect_b).sqrt().clamp_max(height), width / aspect_b)
    crop_w = (crop_h * aspect_b).clamp_max(width)
    centre_y = draw.uniform(-1, 1, count) * (1 - crop_h / height)
    centre_x = draw.uniform(-1, 1, count) * (1 - crop_w / width)
    angle_b = draw.normal(0.06, count)
    mirrored_b = draw.uniform(-1, 1, count).sign()
    strength_b = draw.uniform(-0.1, 0.1, count).clamp_min(0)  # of the crop's size; none for half of them
    cells = 3 + draw.choice((1, 1, 1, 1))
    coarse_b2nn = draw.normal(1.0, count, 2, cells, cells) * strength_b[:, None, None, None]

    def grid(rows: int, columns: int) -> Tensor:
        device = angle_b.device
        y_h = (torch.arange(rows, device=device) + 0.5) / rows * 2 - 1
        x_w = (torch.arange(columns, device=device) + 0.5) / columns * 2 - 1
        bend_b2hw = F.interpolate(coarse_b2nn, (rows, columns), mode="bicubic", align_corners=True)
        y_bhw = y_h[None, :, None] + bend_b2hw[:, 0]
        x_bhw = x_w[None, None, :] * mirrored_b[:, None, None] + bend_b2hw[:, 1]
        # In pixels of the source, so that turning keeps right angles.
        y_bhw, x_bhw = y_bhw * crop_h[:, None, None] / 2, x_bhw * crop_w[:, None, None] / 2
        cosine, sine = angle_b.cos()[:, None, None], angle_b.sin()[:, None, None]
        turned_y, turned_x = y_bhw * cosine + x_bhw * sine, x_bhw * cosine - y_bhw * sine
        return torch.stack(
            [turned_x * 2 / width + centre_x[:, None, None], turned_y * 2 / height + centre_y[:, None, None]], dim=3
        )

    return grid


def crop(rgb_bchw: Tensor, inverse_bhw: Tensor, size_hw: tuple[int, int], draw: Draw) -> tuple[Tensor, Tensor]:
    """Random parts of the pictures at ``size_hw``. Depth is picked, not mixed, so edges stay clean."""
    source_hw = (rgb_bchw.shape[2], rgb_bchw.shape[3])
    grid = sampling_grid(len(rgb_bchw), source_hw, size_hw[1] / size_hw[0], draw)
    fine = 2 if max(source_hw) > 1.2 * max(size_hw) and draw.number(0, 1) < 0.8 else 1
    how = {"padding_mode": "reflection", "align_corners": False}
    rgb_bchw = F.grid_sample(rgb_bchw, grid(fine * size_hw[0], fine * size_hw[1]), mode="bilinear", **how)
    if fine > 1:
        rgb_bchw = F.avg_pool2d(rgb_bchw, fine)
    inverse_b1hw = F.grid_sample(inverse_bhw[:, None], grid(*size_hw), mode="nearest", **how)
    return rgb_bchw, inverse_b1hw[:, 0]


def colour(rgb_bchw: Tensor, draw: Draw) -> Tensor:
    """Exposure, gamma, white balance, contrast and saturation; now and then grey."""
    count = len(rgb_bchw)
    gains = (draw.normal(0.12, count, 3, 1, 1) + draw.normal(0.15, count, 1, 1, 1)).exp()
    rgb_bchw = (rgb_bchw * gains).clamp(1e-4, 1) ** draw.normal(0.3, count, 1, 1, 1).exp()
    grey_b1hw = _grey(rgb_bchw)
    saturation = draw.uniform(0.2, 1.6, count, 1, 1, 1) * (draw.uniform(0, 1, count, 1, 1, 1) > 0.12)
    rgb_bchw = grey_b1hw + (rgb_bchw - grey_b1hw) * saturation
    middle = grey_b1hw.mean(dim=(2, 3), keepdim=True)
    return (middle + (rgb_bchw - middle) * draw.normal(0.2, count, 1, 1, 1).exp()).clamp(0, 1)


def _grey(rgb_bchw: Tensor) -> Tensor:
    weights = constant((0.299, 0.587, 0.114), rgb_bchw.device)
    return (rgb_bchw * weights[:, None, None]).sum(dim=1, keepdim=True)


def illuminate(rgb_bchw: Tensor, draw: Draw) -> Tensor:
    """Patches of light and shade that have nothing to do with what is there."""
    count, size_hw = len(rgb_bchw), (rgb_bchw.shape[2], rgb_bchw.shape[3])
    field = draw.smooth(count, 1, 2 + draw.choice((1, 1, 1, 1)), size_hw)
    return (rgb_bchw * (field * draw.uniform(0.1, 0.5, count, 1, 1, 1)).exp()).clamp(0, 1)


def vignette(rgb_bchw: Tensor, draw: Draw) -> Tensor:
    """Darker towards the corners."""
    height, width = rgb_bchw.shape[2:]
    y, x = (torch.linspace(-1, 1, side, device=rgb_bchw.device) for side in (height, width))
    fall = draw.uniform(0.1, 0.5, len(rgb_bchw), 1, 1, 1)
    return rgb_bchw * (1 - fall * (y[:, None] ** 2 + x**2) / 2)


def filtered(rgb_bchw: Tensor, kernel_bkk: Tensor) -> Tensor:
    """Each picture under a kernel of its own, of odd size."""
    count, _, height, width = rgb_bchw.shape
    side = kernel_bkk.shape[-1]
    padded = F.pad(rgb_bchw, (side // 2,) * 4, mode="replicate").view(1, count * 3, height + side - 1, -1)
    kernels = kernel_bkk.repeat_interleave(3, dim=0)[:, None]
    return F.conv2d(padded, kernels, groups=count * 3).view(count, 3, height, width)


def gaussian(sigma_b: Tensor, side: int = 9) -> Tensor:
    """``[B, side, side]`` kernels."""
    offset = torch.arange(side, device=sigma_b.device) - side // 2
    line_bk = torch.exp(-0.5 * (offset / sigma_b[:, None]) ** 2)
    line_bk = line_bk / line_bk.sum(dim=1, keepdim=True)
    return line_bk[:, :, None] * line_bk[:, None, :]


def blur(rgb_bchw: Tensor, draw: Draw) -> Tensor:
    """Soft focus."""
    return filtered(rgb_bchw, gaussian(draw.uniform(0.3, 1.8, len(rgb_bchw))))


def shake(rgb_bchw: Tensor, draw: Draw) -> Tensor:
    """A line as the kernel: the camera moved."""
    count, side = len(rgb_bchw), 9
    offset = torch.arange(side, device=rgb_bchw.device) - side // 2.0
    angle, reach = draw.uniform(0, math.pi, count), draw.uniform(1, 3.5, count)
    along = offset[None, None, :] * angle.cos()[:, None, None] + offset[None, :, None] * angle.sin()[:, None, None]
    beside = offset[None, :, None] * angle.cos()[:, None, None] - offset[None, None, :] * angle.sin()[:, None, None]
    kernel = (1 - beside.abs()).clamp_min(0) * (reach[:, None, None] + 0.5 - along.abs()).clamp(0, 1)
    return filtered(rgb_bchw, kernel / kernel.sum(dim=(1, 2), keepdim=True))


def enlarge(rgb_bchw: Tensor, draw: Draw) -> Tensor:
    """The marks of a smaller picture."""
    size_hw = rgb_bchw.shape[2:]
    small = [int(side * draw.number(0.4, 0.9)) for side in size_hw]
    shrunk = F.interpolate(rgb_bchw, small, mode="bilinear", antialias=True)
    return F.interpolate(shrunk, size_hw, mode="bicubic").clamp(0, 1)


def sharpen(rgb_bchw: Tensor, draw: Draw) -> Tensor:
    """The unsharp mask that cameras apply."""
    soft = filtered(rgb_bchw, gaussian(draw.uniform(0.6, 1.5, len(rgb_bchw))))
    return (rgb_bchw + draw.uniform(0.3, 1.4, len(rgb_bchw), 1, 1, 1) * (rgb_bchw - soft)).clamp(0, 1)


def noise(rgb_bchw: Tensor, draw: Draw) -> Tensor:
    """Sensor noise, in colour or grey."""
    count, _, height, width = rgb_bchw.shape
    grain = draw.normal(1.0, count, 3, height, width)
    grey = draw.uniform(0, 1, count, 1, 1, 1) < 0.4
    grain = torch.where(grey, grain[:, :1], grain)
    return (rgb_bchw + grain * draw.uniform(0.005, 0.06, count, 1, 1, 1)).clamp(0, 1)


# ITU-T T.81 (JPEG), table K.1.
_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55), (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62), (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99),
)  # fmt: skip


_MIDDLE = 128 / 255


def jpeg(rgb_bchw: Tensor, draw: Draw) -> Tensor:
    """The loss of JPEG: 8×8 cosine transforms whose coefficients are rounded, coarser in colour than in grey."""
    device = rgb_bchw.device
    count, _, height, width = rgb_bchw.shape
    grey = _grey(rgb_bchw)
    channels = torch.cat([grey - _MIDDLE, rgb_bchw[:, 2:] - grey, rgb_bchw[:, :1] - grey], dim=1) * 255
    padded = F.pad(channels, (0, -width % 8, 0, -height % 8), mode="replicate")
    blocks = padded.unflatten(3, (-1, 8)).unflatten(2, (-1, 8)).transpose(3, 4)
    k, n = torch.arange(8.0, device=device)[:, None], torch.arange(8.0, device=device)
    cosines = torch.cos((2 * n + 1) * k * math.pi / 16) / 2
    cosines[0] /= math.sqrt(2)
    quality = draw.uniform(20, 92, count, 1, 1, 1, 1, 1)
    scale = torch.where(quality < 50, 50 / quality, 2 - quality / 50)
    coarser = constant((1.0, 1.7, 1.7), device)[:, None, None, None, None]
    steps = (constant(_LUMINANCE, device) * scale).clamp_min(1) * coarser
    kept = (cosines @ blocks @ cosines.T / steps).round() * steps
    pixels = (cosines.T @ kept @ cosines).transpose(3, 4).flatten(4, 5).flatten(2, 3)[..., :height, :width] / 255
    grey = pixels[:, :1] + _MIDDLE
    blue, red = pixels[:, 1:2] + grey, pixels[:, 2:] + grey
    green = (grey - 0.299 * red - 0.114 * blue) / 0.587
    return torch.cat([red, green, blue], dim=1).clamp(0, 1)


STEPS: tuple[tuple[Callable[[Tensor, Draw], Tensor], float], ...] = (
    (colour, 0.6),
    (illuminate, 0.2),
    (vignette, 0.1),
    (blur, 0.15),
    (shake, 0.05),
    (enlarge, 0.1),
    (sharpen, 0.2),
    (noise, 0.3),
    (jpeg, 0.25),
)
"""What happens to a picture in this order, and to which share of the pictures."""


def spoil(rgb_bchw: Tensor, draw: Draw) -> Tensor:
    """All of :data:`STEPS`, each on its share of the batch."""
    count = len(rgb_bchw)
    for step, share in STEPS:
        chosen = draw.order(count)[: int(share * count + draw.number(0, 1))]
        if len(chosen):
            rgb_bchw[chosen] = step(rgb_bchw[chosen], draw)
    return rgb_bchw


def slope_downwards(inverse_bhw: Tensor) -> Tensor:
    """``[B]`` correlation of inverse depth with "lower is nearer", from -1 to 1."""
    row_bh = inverse_bhw.mean(dim=2)
    line_h = torch.linspace(-1, 1, row_bh.shape[1], device=row_bh.device)
    spread_b = inverse_bhw.std(dim=(1, 2)) * line_h.std()
    return ((row_bh - row_bh.mean(dim=1, keepdim=True)) * line_h).mean(dim=1) / spread_b.clamp_min(1e-9)


def worthwhile(inverse_bhw: Tensor, draw: Draw) -> Tensor:
    """``[B]`` bool: not a crop of nothing but sky or of one flat thing, nor one of those that are too many."""
    flat_bn = inverse_bhw.flatten(1)
    uneven_b = flat_bn.amax(dim=1) > 1.02 * flat_bn[:, ::7].median(dim=1).values + 1e-6
    upside_down_b = slope_downwards(inverse_bhw) < -0.1
    return uneven_b & ~(upside_down_b & (draw.uniform(0, 1, len(flat_bn)) < SKIP_UPSIDE_DOWN))


@torch.no_grad()
def augment(
    rgb_bhwc: Tensor, inverse_bhw: Tensor, solid_bhw: Tensor, size_hw: tuple[int, int], draw: Draw
) -> tuple[Tensor, Tensor]:
    """Training samples: float32 ``[B, 3, h, w]`` in [0, 1] and float32 inverse depth ``[B, h, w]``.

    Crops that are not worthwhile are replaced by others of the batch.
    """
    rgb_bchw = rgb_bhwc.permute(0, 3, 1, 2).float() / 255
    half = draw.order(len(rgb_bchw))[: len(rgb_bchw) // 2]
    rgb_bchw[half] = recolour(rgb_bchw[half], solid_bhw[half], draw)
    rgb_bchw, inverse_bhw = crop(rgb_bchw, inverse_bhw.float(), size_hw, draw)
    good_b = worthwhile(inverse_bhw, draw)
    first = torch.argsort(~good_b, stable=True)
    taken = first[torch.arange(len(first), device=first.device) % good_b.sum().clamp_min(1)]
    return spoil(rgb_bchw[taken], draw), inverse_bhw[taken]
