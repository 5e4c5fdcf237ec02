"""Losses, figures, augmentation, checkpoints and the training loop, in the small."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from demo_model import published
from demo_model.evaluate import PARTS
from demo_model.losses import aligned_loss, anchored_loss, depth_losses, in_cells
from demo_model.metrics import ramp, scores
from demo_model.model import build, normalise, wave_positions
from demo_model.optimizers import Muon, make_optimizers, orthogonalised
from demo_model.photos import paired_photos
from demo_model.step import Plan, Step
from demo_model.train import GRIDS, Average, main
from demo_model.training_model import prepare_for_training, resize

from dptscope.commands.demo import CHECKPOINT


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


def test_published_layout_round_trip(tmp_path):
    model = build(3)
    path = tmp_path / "tiny.safetensors"
    published.save(path, model.state_dict(), {"steps": "0"})
    assert path.stat().st_size <= 12_000_000
    tensors = published.load(path)
    assert tensors["pretrained.pos_embed"].shape == (1, 257, 192)
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
    plan = Plan(seconds=100, tokens=64, rate=1e-3, warm_up=0.1, cooldown=0.2)
    rates = [plan.learning_rate(step / 1000) for step in range(1001)]
    assert rates[0] < 2e-6 and rates[100] == rates[799] == pytest.approx(1e-3)
    assert all(after <= before for before, after in pairwise(rates[800:])) and rates[-1] == 0


def test_training_lowers_the_loss_and_keeps_the_output_alive():
    model = build(0)
    prepare_for_training(model, torch.device("cpu"))
    plan = Plan(seconds=100, tokens=64, rate=1e-3, warm_up=0.05, cooldown=0, lead_in=0)
    update = Step(model, plan, torch.device("cpu"))
    target = smooth(5, count=4, side=56)
    rgb = (target / target.max())[:, None].repeat(1, 3, 1, 1)  # depth can be read off the picture
    update(rgb, target, 0.05)
    first = update.sums.clone()
    for _ in range(24):
        update.sums.zero_()
        update(rgb, target, 0.5)
    last = update.sums
    assert last[0] < 0.6 * first[0] and last[3] < 0.5 * first[3]
    with torch.inference_mode():
        assert (model(normalise(rgb)) > 0).float().mean() > 0.9


def test_the_way_of_training_computes_the_same_model():
    """Attention without its matrix, the last layer apart, resizes as products: the same depth, but for rounding."""
    plain, prepared = build(2).eval(), build(2).eval()
    prepare_for_training(prepared, torch.device("cpu"))
    image = torch.randn(2, 3, 56, 84)
    with torch.inference_mode():
        torch.testing.assert_close(prepared(image), plain(image), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size_hw", [(22, 18), (26, 16), (13, 9)])
def test_a_resize_as_products_is_the_bilinear_one(size_hw):
    map_bchw = torch.randn(2, 5, 13, 9)
    wanted = torch.nn.functional.interpolate(map_bchw, size_hw, mode="bilinear", align_corners=True)
    torch.testing.assert_close(resize(map_bchw, size_hw), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", [(3, 8, 24), (3, 24, 8)])
def test_matrices_are_orthogonalised(shape):
    """Directions stay, singular values come near 1 (between 0.7 and 1.2, as the iteration is made to)."""
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    along = left.mT @ orthogonalised(matrices) @ right.mT
    values = along.diagonal(dim1=1, dim2=2)
    assert values.min() > 0.6 and values.max() < 1.3
    assert (along - torch.diag_embed(values)).abs().max() < 0.05


def test_each_weight_that_is_trained_has_one_optimizer():
    model = build(0)
    muon, adamw = make_optimizers(model, torch.zeros(()), 0.05)
    by_muon, by_adamw = ([p for group in each.param_groups for p in group["params"]] for each in (muon, adamw))
    assert len(by_muon) == 48 and all(p.shape in {(576, 192), (192, 192), (768, 192), (192, 768)} for p in by_muon)
    trained = {id(p) for p in model.parameters() if p.requires_grad}
    assert {id(p) for p in by_muon} | {id(p) for p in by_adamw} == trained
    assert len(by_muon) + len(by_adamw) == len(trained)


def test_muon_moves_as_far_as_the_rate_says():
    """By 0.2 of the rate for each number, whatever the gradient's size, and queries apart from keys."""
    weight = torch.nn.Parameter(torch.zeros(576, 192))
    small = torch.randn(576, 192, generator=torch.Generator().manual_seed(0)) * 1e-6
    small[192:384] *= 1e4
    weight.grad = small
    Muon([{"params": [weight], "parts": 3}], torch.tensor(0.01), decay=0.1).step()
    moved = weight.detach().unflatten(0, (3, 192)).square().mean(dim=(1, 2)).sqrt()
    torch.testing.assert_close(moved, torch.full((3,), 0.2 * 0.01), rtol=0.2, atol=0)
    assert (weight.detach() * small).sum() < 0


def test_the_average_follows_the_weights():
    model = build(0)
    average = Average(model)
    before = average.state["encoder.cls_token"].clone()
    with torch.no_grad():
        model.encoder.cls_token += 1
    average.update(step=10**6, keep=0.9)
    torch.testing.assert_close(average.state["encoder.cls_token"], before + 0.1)
    torch.testing.assert_close(average.model().encoder.cls_token, before + 0.1)


def save_one_shard(folder):
    """Eight pictures of noise whose depth is a ramp."""
    from demo_model.shards import save_shard

    rng = np.random.default_rng(0)
    inverse = np.linspace(0.1, 1, 120, dtype=np.float16)[None, :, None].repeat(8, 0).repeat(120, 2)
    folder.mkdir()
    save_shard(
        folder / "a.npz", rng.integers(0, 255, (8, 120, 120, 3), dtype=np.uint8), inverse,
        np.zeros((8, 120, 120), np.uint8),
    )  # fmt: skip


SMALL = {"tokens": 64, "gigabytes": 0.01, "first_scenes": 8, "log_every": 1, "evaluate_every": 0.0, "held_out": 1}


def test_a_run_goes_on_where_it_stopped(tmp_path):
    """The whole command in the small: two steps or so, stopped, then some more."""
    save_one_shard(tmp_path / "shards")
    main(tmp_path / "state", tmp_path / "shards", seconds=0.01, **SMALL)
    used = max(json.loads(line).get("seconds", 0) for line in (tmp_path / "state/log.jsonl").read_text().splitlines())
    main(tmp_path / "state", tmp_path / "shards", seconds=used + 3, **SMALL)  # in which the first run's count
    lines = [json.loads(line) for line in (tmp_path / "state/log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if line.get("event") == "start"] == [0, 1]
    steps = [line["step"] for line in lines if "aligned" in line]
    assert steps == list(range(1, len(steps) + 1)) and len(steps) >= 2
    assert (tmp_path / "state/weights.safetensors").exists()


def test_a_run_from_trained_weights_begins_late_in_the_schedule(tmp_path, monkeypatch):
    save_one_shard(tmp_path / "shards")
    shares = []
    monkeypatch.setattr("demo_model.train.draw_grid", lambda share, draw: shares.append(share) or (8, 8))
    main(tmp_path / "state", tmp_path / "shards", seconds=0.01, init=CHECKPOINT, begin=0.75, **SMALL)
    assert shares[0] == 0.75
    start = json.loads((tmp_path / "state/log.jsonl").read_text().splitlines()[0])
    assert start["init"] == CHECKPOINT.name and start["plan"]["begin"] == 0.75


def test_every_part_of_a_run_has_grids():
    for part in range(3):
        assert sum(odds[part] for _, odds in GRIDS) > 1


def test_a_fresh_model_does_not_start_dead():
    with torch.inference_mode():
        depth = build(1)(torch.randn(2, 3, 70, 84))
    assert depth.shape == (2, 70, 84)
    assert (depth > 0.5).all() and depth.std() > 0


@pytest.mark.parametrize("part", PARTS)
def test_point_pairs_are_honest(part):
    """Enough of them, inside the picture, on eight photos, and not to be had by "lower is nearer"."""
    photos = paired_photos(part)
    assert len(photos) == 8
    pairs = np.concatenate([photo.pairs_n4 for photo in photos])
    assert min(len(photo.pairs_n4) for photo in photos) >= 12
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
