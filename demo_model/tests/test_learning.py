"""Losses, figures, augmentation, checkpoints and the training loop, in the small."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from demo_model import published
from demo_model.augment import augment
from demo_model.losses import aligned_loss, anchored_loss, depth_losses, in_cells
from demo_model.metrics import ramp, scores
from demo_model.model import build, normalise, wave_positions
from demo_model.team import Team
from demo_model.train import Plan, learning_rate, make_optimizer, train_step


def smooth(seed, count=2, side=28):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 1, 4, 4, generator=generator)
    return torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")[:, 0] + 0.1


def test_losses_do_not_see_scale_and_shift():
    target, other = smooth(0), smooth(1)
    first, second = depth_losses(other, target), depth_losses(other * 7 + 3, target * 0.2)
    for name in ("aligned", "cells", "gradient"):
        assert getattr(first, name).item() == pytest.approx(getattr(second, name).item(), rel=1e-3)
    perfect = depth_losses(target * 5 + 2, target)
    assert max(perfect.aligned.item(), perfect.cells.item(), perfect.gradient.item()) < 1e-3


def test_constant_scores_one_and_the_reverse_scores_worse():
    target = smooth(0)
    assert aligned_loss(torch.full_like(target, 3.0), target).item() == pytest.approx(1.0, abs=1e-3)
    assert aligned_loss(-target, target).item() > 1.5


def test_anchor_is_least_at_the_stretched_target():
    target = smooth(2, side=56)
    low, high = np.quantile(target[0].numpy(), (0.02, 0.98))
    wanted = (target - low) / (high - low) + 0.2
    assert anchored_loss(wanted[:1], target[:1]).item() < 0.01
    assert anchored_loss(torch.zeros_like(target), target).item() > 0.5


def test_cells_are_the_picture_cut_up():
    picture = torch.arange(2 * 6 * 9).view(2, 6, 9).float()
    cells = in_cells(picture, 3)
    assert cells.shape == (18, 2, 3)
    torch.testing.assert_close(cells[4], picture[0, 2:4, 3:6])
    torch.testing.assert_close(cells[9 + 2], picture[1, 0:2, 6:9])


def test_scores_know_a_perfect_answer_and_a_ramp():
    target = ramp((20, 30)) * 2 + 0.5
    everywhere = np.ones((20, 30), bool)
    perfect = scores(ramp((20, 30)), target, everywhere)
    assert perfect["abs_rel"] < 1e-6 and perfect["delta1"] == 1.0 and perfect["r2"] == pytest.approx(1)
    constant = scores(np.ones((20, 30)), target, everywhere)
    assert constant["r2"] == pytest.approx(0, abs=1e-6) and constant["delta1"] < 0.5


def test_abs_rel_by_hand():
    # Two levels, so alignment can only offer their means: 1/z of 1 and 0.5 within each half.
    target = np.array([[1.0, 0.5], [1.0, 0.5]])
    figures = scores(np.array([[0.0, 0.0], [1.0, 1.0]]), target, np.ones((2, 2), bool))
    # aligned is 0.75 everywhere: depths 4/3 against 1 and 2
    assert figures["abs_rel"] == pytest.approx((1 / 3 + 1 / 3) / 2)
    assert figures["delta1"] == 0.0


def test_augmentation_moves_picture_and_depth_together():
    """A picture that is its own depth, without colour changes, stays so."""
    y, x = np.mgrid[0:120, 0:150]
    values = (y + x / 2).astype(np.float32)
    rgb = np.repeat(values[..., None], 3, 2).astype(np.uint8)
    from demo_model import augment as module

    for seed in range(8):
        moved, depth = module.crop_resize(rgb, values, (84, 98), np.random.default_rng(seed))
        assert moved.shape == (84, 98, 3) and depth.shape == (84, 98)
        inner = (slice(4, -4), slice(4, -4))
        assert np.abs(moved[..., 0].astype(np.float32)[inner] - depth[inner]).max() < 4


def test_augmentation_is_fixed_by_its_generator():
    rgb = np.random.default_rng(0).integers(0, 255, (90, 90, 3), dtype=np.uint8)
    inverse = np.random.default_rng(1).random((90, 90), dtype=np.float32)
    for seed in range(12):
        first = augment(rgb, inverse, (56, 56), np.random.default_rng(seed))
        second = augment(rgb, inverse, (56, 56), np.random.default_rng(seed))
        assert first[0].dtype == np.uint8 and first[0].shape == (56, 56, 3)
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1], second[1])


def test_published_layout_round_trip(tmp_path):
    model = build(3)
    path = tmp_path / "tiny.safetensors"
    published.save(path, model.state_dict(), {"steps": "0"})
    assert path.stat().st_size <= 12_000_000
    tensors = published.load(path)
    assert tensors["pretrained.pos_embed"].shape == (1, 257, 128)
    assert all(tensor.dtype == torch.float16 for tensor in tensors.values())
    again = published.from_published(tensors, list(model.state_dict()))
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(again[name], tensor, rtol=1e-3, atol=1e-3)


def test_published_names_are_those_the_exporter_reads(tmp_path):
    """The exporter, which knows the published layout from elsewhere, takes the file as it is and computes the same."""
    from dptscope_export import families
    from dptscope_export.checkpoints.key_map import load_strictly
    from dptscope_export.checkpoints.read import read_checkpoint
    from dptscope_export.families.base import ExportOptions

    model = build(3).half().float().eval()  # what half precision leaves of it
    path = tmp_path / "tiny.safetensors"
    published.save(path, model.state_dict(), {})
    checkpoint = read_checkpoint(path)
    found = families.recognise(checkpoint, ExportOptions(variant="depth-anything-v2"))
    other = found.build()
    load_strictly(other, checkpoint, found.key_map)
    image = torch.rand(1, 3, 56, 70)
    with torch.inference_mode():
        torch.testing.assert_close(other.eval()(image), model(image))


def test_positions_are_waves_that_every_grid_sees():
    fine, coarse = (wave_positions(grid, 128)[0] for grid in (24, 8))
    assert fine.shape == (577, 128) and fine[0].abs().max() == 0
    assert fine[1:].unique(dim=0).shape == fine[1:].shape  # no two places look the same
    # A coarse patch's middle is the middle of nine fine ones, and has the same wave.
    torch.testing.assert_close(coarse[1:].view(8, 8, 128), fine[1:].view(24, 24, 128)[1::3, 1::3])


def test_learning_rate_warms_up_stays_and_comes_down():
    plan = Plan(1000, 200, 100, 1e-3, 0.0, 0.99, 0.5, 0.5, 1.0, 0)
    rates = [learning_rate(plan, step) for step in range(1000)]
    assert rates[0] == pytest.approx(1e-5) and rates[99] == rates[500] == pytest.approx(1e-3)
    assert all(after <= before for before, after in pairwise(rates[800:])) and rates[-1] < 1e-5


def test_training_lowers_the_loss_and_keeps_the_output_alive():
    torch.manual_seed(0)
    model = build(0)
    plan = Plan(100, 0, 5, 1e-3, 0.0, 0.99, 0.5, 0.5, 1.0, 0)
    optimizer = make_optimizer(model, plan)
    target = smooth(5, count=4, side=56)
    rgb = (target / target.max() * 255).byte()[..., None].repeat(1, 1, 1, 3)  # depth can be read off the picture
    first = train_step(model, optimizer, rgb, target, 1e-3, plan, 0, Team())
    for step in range(1, 25):
        last = train_step(model, optimizer, rgb, target, 1e-3, plan, step, Team())
    assert last[0] < 0.6 * first[0] and last[3] < 0.5 * first[3]
    with torch.inference_mode():
        assert (model(normalise(rgb)) > 0).float().mean() > 0.9


def test_a_fresh_model_does_not_start_dead():
    with torch.inference_mode():
        depth = build(1)(torch.randn(2, 3, 70, 84))
    assert depth.shape == (2, 70, 84)
    assert (depth > 0.5).all() and depth.std() > 0


def test_point_pairs_are_honest():
    """Enough of them, inside the picture, on eight photos, and not to be had by "lower is nearer"."""
    from importlib import resources

    photos = json.loads((resources.files("demo_model") / "point_pairs.json").read_text())["photos"]
    assert len(photos) >= 8
    pairs = np.array([pair for photo in photos for pair in photo["pairs"]])
    assert min(len(photo["pairs"]) for photo in photos) >= 12
    assert ((pairs >= 0) & (pairs < 1)).all()
    assert 0.35 < (pairs[:, 1] > pairs[:, 3]).mean() < 0.65


def test_curve_draws_both_panels(tmp_path):
    from demo_model.curve import panel, read_log

    lines = [
        {"step": 50, "aligned": 1.0},
        {"step": 100, "aligned": 0.5},
        {"event": "held-out", "step": 100, "delta1": 0.6},
    ]
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join(json.dumps(line) for line in lines))
    losses, figures = read_log(log)
    assert losses.tolist() == [[50, 1.0], [100, 0.5]] and figures.tolist() == [[100, 0.6]]
    assert (panel(losses, "loss", (0, 0, 255)) == (0, 0, 255)).all(-1).any()
