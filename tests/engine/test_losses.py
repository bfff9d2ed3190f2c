"""Losses against the released criterion's numbers (``golden/loss_ohem``) and against a slow reading of its rule."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gald.engine.losses import cross_entropy, ohem_cross_entropy, segmentation_loss
from gald.support.errors import UserError

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = json.loads((GOLDEN / "loss_ohem.json").read_text())["cases"]
IGNORE = 255


@pytest.fixture(scope="module")
def recorded() -> dict[str, torch.Tensor]:
    with np.load(GOLDEN / "loss_ohem.npz") as file:
        return {key: torch.from_numpy(np.asarray(value)) for key, value in file.items()}


def kept_pixels(gradient: torch.Tensor) -> int:
    return int((gradient != 0).any(1).sum())


def sorted_ohem(logits, target, threshold, min_kept, weight=None):
    """The rule word by word: sort all probabilities, take the min_kept-th, select, average. Returns (loss, kept)."""
    valid = target != IGNORE
    safe = target.masked_fill(~valid, 0)
    probability = logits.softmax(1).gather(1, safe[:, None])[:, 0].masked_fill(~valid, 1.0)
    keep = valid
    if 0 < min_kept <= int(valid.sum()):
        limit = max(threshold, float(probability.detach().flatten().sort().values[min_kept - 1]))
        keep = valid & (probability <= limit)
    nats = -logits.log_softmax(1).gather(1, safe[:, None])[:, 0]
    share = torch.ones_like(nats) if weight is None else weight[safe]
    return (nats * share)[keep].sum() / share[keep].sum(), int(keep.sum())


def random_case(seed: int, classes: int = 5, spread: float = 2.0, ignored: float = 0.2):
    generator = torch.Generator().manual_seed(seed)
    logits = spread * torch.randn(2, classes, 6, 7, generator=generator, dtype=torch.float64)
    target = torch.randint(0, classes, (2, 6, 7), generator=generator)
    target[torch.rand(target.shape, generator=generator) < ignored] = IGNORE
    return logits.requires_grad_(), target


# ---- OHEM


@pytest.mark.parametrize("case", ["few_hard", "many_hard", "min_kept_larger_than_valid", "min_kept_zero"])
def test_ohem_gives_the_recorded_value_and_gradient(recorded, case):
    settings = CASES[case]
    logits = recorded[f"{case}.logits"].clone().requires_grad_()
    loss = ohem_cross_entropy(logits, recorded[f"{case}.labels"], settings["thresh"], settings["min_kept"])
    loss.backward()
    torch.testing.assert_close(loss.detach(), recorded[f"{case}.loss"])
    torch.testing.assert_close(logits.grad, recorded[f"{case}.grad"])
    assert kept_pixels(logits.grad) == settings["kept"]


@pytest.mark.parametrize("loss_of", [ohem_cross_entropy, cross_entropy])
@pytest.mark.parametrize("weight", [None, torch.ones(5)])
def test_no_valid_pixel_is_an_attached_zero(recorded, loss_of, weight):
    logits = recorded["all_ignored.logits"].clone().requires_grad_()
    loss = loss_of(logits, recorded["all_ignored.labels"], weight=weight)
    loss.backward()
    assert loss == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("min_kept", [0, 1, 10, 40, 60, 84, 1000])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7, 1.0])
def test_ohem_is_the_sorting_rule(seed, min_kept, threshold):
    logits, target = random_case(seed)
    weight = torch.rand(5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) if seed % 2 else None
    loss = ohem_cross_entropy(logits, target, threshold, min_kept, weight=weight)
    slow, kept = sorted_ohem(logits, target, threshold, min_kept, weight)
    torch.testing.assert_close(loss, slow)
    (ours,) = torch.autograd.grad(loss, logits)
    (theirs,) = torch.autograd.grad(slow, logits)
    torch.testing.assert_close(ours, theirs)
    assert kept_pixels(ours) == kept


def test_as_many_valid_as_must_be_kept_keeps_them_all():
    logits, target = random_case(0)
    valid = int((target != IGNORE).sum())
    loss = ohem_cross_entropy(logits, target, threshold=0.0, min_kept=valid)
    torch.testing.assert_close(loss, F.cross_entropy(logits, target, ignore_index=IGNORE))


def test_ties_with_the_last_kept_pixel_are_kept():
    # probabilities of the true class 0: twelve pixels of 0.9 and four of 0.8; the fifth hardest is one of the twelve
    probability = torch.full((1, 1, 4, 4), 0.9)
    probability[..., 0, :] = 0.8
    logits = torch.cat([probability, 1 - probability], 1).log().requires_grad_()
    for min_kept, kept in ((4, 4), (5, 16)):
        loss = ohem_cross_entropy(logits, torch.zeros(1, 4, 4, dtype=torch.int64), 0.7, min_kept)
        assert kept_pixels(torch.autograd.grad(loss, logits)[0]) == kept


def test_ignored_pixels_are_never_kept_beside_certain_ones():
    logits = torch.zeros(1, 2, 2, 2)
    logits[:, 0] = 200.0  # probability exactly 1 in float32, as an ignored pixel counts
    logits[0, 0, 0, 0] = 0.0
    target = torch.tensor([[[0, 0], [IGNORE, 0]]])
    loss = ohem_cross_entropy(logits, target, threshold=0.1, min_kept=3)
    assert float(loss) == pytest.approx(math.log(2) / 3)


def test_easy_pixels_by_hand():
    # true-class probabilities 1/2, 1/2, 9/10, 99/100 at threshold 0.7: the mean of the first two
    probability = torch.tensor([0.5, 0.5, 0.9, 0.99]).view(1, 1, 2, 2)
    logits = torch.cat([probability, 1 - probability], 1).log()
    target = torch.zeros(1, 2, 2, dtype=torch.int64)
    assert float(ohem_cross_entropy(logits, target, 0.7, 1)) == pytest.approx(math.log(2))
    three = (2 * math.log(2) - math.log(0.9)) / 3
    assert float(ohem_cross_entropy(logits, target, 0.7, 3)) == pytest.approx(three)


def test_a_diverged_run_shows_nan():
    logits = torch.randn(1, 3, 4, 4)
    logits[0, :, 1, 1] = math.nan
    assert ohem_cross_entropy(logits, torch.zeros(1, 4, 4, dtype=torch.int64), 0.7, 2).isnan()


def test_selection_costs_no_order_when_enough_are_hard(monkeypatch):
    logits, target = random_case(1)
    monkeypatch.setattr(torch.Tensor, "topk", None)
    assert ohem_cross_entropy(logits, target, 1.0, 5) > 0
    with pytest.raises(TypeError):
        ohem_cross_entropy(logits, target, 0.0, 5)


# ---- cross entropy


@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_is_pytorchs(weighted):
    logits, target = random_case(2)
    weight = torch.tensor([0.5, 1.0, 2.0, 0.0, 3.0], dtype=torch.float64) if weighted else None
    loss = cross_entropy(logits, target, weight=weight)
    torch.testing.assert_close(loss, F.cross_entropy(logits, target, weight, ignore_index=IGNORE))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("loss_of", [ohem_cross_entropy, cross_entropy])
def test_half_precision_is_computed_in_float32(dtype, loss_of):
    logits, target = random_case(3)
    half = logits.detach().to(dtype).requires_grad_()
    loss = loss_of(half, target)
    loss.backward()
    torch.testing.assert_close(loss, loss_of(half.detach().float(), target), rtol=0, atol=0)
    assert loss.dtype == torch.float32
    assert half.grad.dtype == dtype


@pytest.mark.parametrize("loss_of", [ohem_cross_entropy, cross_entropy])
def test_another_ignored_label(loss_of):
    logits, target = random_case(4)
    other = target.where(target != IGNORE, -1)
    torch.testing.assert_close(loss_of(logits, other, ignore_index=-1), loss_of(logits, target))


@pytest.mark.parametrize("loss_of", [ohem_cross_entropy, cross_entropy])
@pytest.mark.parametrize("shape", [(2, 12, 14), (1, 6, 7)])
def test_sizes_that_differ(loss_of, shape):
    logits, _ = random_case(5)
    with pytest.raises(UserError, match="different sizes"):
        loss_of(logits, torch.zeros(shape, dtype=torch.int64))


# ---- the sum


def test_sum_gives_the_recorded_value_and_gradients(recorded):
    settings = CASES["dsn"]
    output = {"out": recorded["dsn.main"].clone().requires_grad_(), "aux": recorded["dsn.aux"].clone().requires_grad_()}
    losses = segmentation_loss(
        output,
        recorded["dsn.labels"],
        aux_weight=settings["aux_weight"],
        threshold=settings["thresh"],
        min_kept=settings["min_kept"],
        align_corners=True,
    )
    losses["loss"].backward()
    torch.testing.assert_close(losses["loss"].detach(), recorded["dsn.loss"])
    torch.testing.assert_close(output["out"].grad, recorded["dsn.grad_main"])
    torch.testing.assert_close(output["aux"].grad, recorded["dsn.grad_aux"])


def test_sum_has_its_parts():
    logits, target = random_case(0)
    aux, _ = random_case(1)
    losses = segmentation_loss({"out": logits, "aux": aux}, target, aux_weight=0.3, min_kept=20)
    torch.testing.assert_close(losses["main"], ohem_cross_entropy(logits, target, min_kept=20))
    torch.testing.assert_close(losses["aux"], cross_entropy(aux, target))
    torch.testing.assert_close(losses["loss"], losses["main"] + 0.3 * losses["aux"])


def test_without_an_auxiliary_head_and_without_mining():
    logits, target = random_case(0)
    losses = segmentation_loss({"out": logits}, target, ohem=False)
    assert set(losses) == {"loss", "main"}
    torch.testing.assert_close(losses["loss"], cross_entropy(logits, target))


def test_class_weights_and_ignored_label_reach_both_heads():
    logits, target = random_case(0)
    aux, _ = random_case(1)
    weight = torch.tensor([0.5, 1.0, 2.0, 0.0, 3.0], dtype=torch.float64)
    other = target.where(target != IGNORE, 99)
    for ohem in (True, False):
        losses = segmentation_loss({"out": logits, "aux": aux}, other, ohem=ohem, ignore_index=99, weight=weight)
        right = {name: cross_entropy(x, target, weight=weight) for name, x in (("main", logits), ("aux", aux))}
        torch.testing.assert_close({name: losses[name] for name in right}, right)


def test_small_logits_are_resized_with_their_centres_kept():
    logits = torch.randn(1, 3, 2, 3, generator=torch.Generator().manual_seed(0))
    target = torch.randint(0, 3, (1, 8, 12), generator=torch.Generator().manual_seed(1))
    resized = F.interpolate(logits, (8, 12), mode="bilinear", align_corners=False)
    torch.testing.assert_close(segmentation_loss({"out": logits}, target)["main"], ohem_cross_entropy(resized, target))


def test_a_wholly_ignored_crop_trains_nothing_and_breaks_nothing():
    output = {name: torch.randn(1, 3, 2, 2, requires_grad=True) for name in ("out", "aux")}
    segmentation_loss(output, torch.full((1, 4, 4), IGNORE))["loss"].backward()
    assert all(not logits.grad.any() for logits in output.values())
