"""Part 1: the released GALD R50 on one picture, in float32 as it is, and in every setting that might pay on a CPU.

What is measured is speed against agreement: the share of pixels at which the class with the highest logit is still the
same, after the resize to the picture's size that the release does. The weights are deterministic random ones (no
released weights can be had), under two classifiers:

- "random": the last 1x1 convolution is random too, so that many pixels are near ties, which any rounding turns over;
- "fitted": it is fitted to the picture's own labels (multinomial logistic regression on the frozen 512 channels), which
  gives margins as a trained network has them.

Both have the same body and cost. "clear" pixels are those whose float32 margin between the two highest logits is more
than 1 % of the logits' deviation.
"""

from __future__ import annotations

import copy
import runpy
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gald.analysis.profiling.timing import Times, in_turns
from gald.data.datasets.synthetic import synthetic
from gald.models.folding import fold_batch_norm
from gald.models.official import gald_r50, normalize
from parts.rows import Row, compared, progress

CLASSES = 19
BASELINE = "float32, as it is"
GOOD_ENOUGH = 99.8  # percent of equal pixels
ROOT = Path(__file__).parents[2]
Body = Callable[[], Tensor]


@dataclass(frozen=True)
class Classifier:
    """The last convolution, kept apart in every variant: 0.02 % of the work, always in float32."""

    weight: Tensor
    bias: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        return F.conv2d(features.float(), self.weight, self.bias)


@torch.no_grad()
def network_rows(side: int, repetitions: int, compiled: bool) -> list[Row]:
    progress(f"network: GALD R50, {CLASSES} classes, {side}x{side}; filling the weights")
    image, labels = picture(side)
    body, random = split_network()
    reference = runs(body, image)()
    with torch.enable_grad():
        fitted, accuracy = fit(reference, labels)
    case = f"GALD R50, {side}x{side} (fitted classifier: right at {100 * accuracy:.1f} % of the map)"
    progress(f"  {case}")
    works = variants(body, image, compiled)
    equal = agreements(works, Agreement(reference, {"random": random, "fitted": fitted}, side))
    times = in_turns(works, repetitions, progress)
    rows = [row_of(case, name, equal[name], times[BASELINE], times[name]) for name in works if name != BASELINE]
    good = [name for name in works if name != BASELINE and equal[name]["equal_fitted_percent"] >= GOOD_ENOUGH]
    if good:
        best = min(good, key=lambda name: times[name].median)
        progress(f"  fastest with {GOOD_ENOUGH} % equal pixels: {best}; again, in turns with the baseline alone")
        duel = in_turns({name: works[name] for name in (BASELINE, best)}, max(1, 2 * repetitions - 1), progress)
        rows.append(row_of(f"{case}, the best in turns with the baseline alone", best, equal[best], *duel.values()))
    return rows


def row_of(case: str, name: str, equal: dict[str, float], baseline: Times, variant: Times) -> Row:
    named: Row = {"part": "network", "case": case, "baseline": BASELINE, "variant": name}
    return named | compared(baseline, variant) | equal


def agreements(works: dict[str, Body], agreement: Agreement) -> dict[str, dict[str, float]]:
    """For each variant, how far it agrees; the compiled ones compile here."""
    found = {}
    for name, work in works.items():
        progress(f"  agreement: {name}")
        found[name] = agreement.of(work())
    return found


# ---- picture and weights


def picture(side: int) -> tuple[Tensor, Tensor]:
    """A street drawn at half the size, enlarged as photos are, normalised as GALD's scripts do; and its labels."""
    drawn = synthetic(None, "val", size=((side + 1) // 2, (side + 1) // 2), classes=CLASSES)[0]
    image = torch.as_tensor(drawn["image"])[None] / 255
    image = F.interpolate(image, (side, side), mode="bilinear", align_corners=False).clamp(0, 1)
    return normalize(image, "bgr"), torch.as_tensor(drawn["mask"]).long()


def split_network() -> tuple[nn.Module, Classifier]:
    """The network with an identity for its classifier, and the classifier; weights by the rule of the tests."""
    filled = runpy.run_path(str(ROOT / "tests" / "golden" / "fill.py"))["filled"]
    network = gald_r50(CLASSES).eval()
    network.load_state_dict(filled(network.state_dict()))
    last = network.get_submodule("head.bottleneck.3")
    network.set_submodule("head.bottleneck.3", nn.Identity())
    del network.dsn  # runs in training only
    return network, Classifier(last.get_parameter("weight"), last.get_parameter("bias"))


def fit(features: Tensor, labels: Tensor) -> tuple[Classifier, float]:
    """Logistic regression of the labels on the channels, and the share of positions it is right at."""
    target = F.interpolate(labels[None, None].float(), features.shape[2:], mode="nearest").long().flatten()
    x = features.detach().flatten(2)[0].T
    mean, deviation = x.mean(0), x.std()
    x = (x - mean) / deviation
    weight = torch.zeros(CLASSES, x.shape[1], requires_grad=True)
    bias = torch.zeros(CLASSES, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(F.linear(x, weight, bias), target) + 0.5e-3 * weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        right = F.linear(x, weight, bias).argmax(1) == target
        scaled = weight / deviation
        return Classifier(scaled[:, :, None, None].clone(), bias - scaled @ mean), float(right.float().mean())


class Agreement:
    """Compares features with the float32 network's, through each classifier."""

    def __init__(self, reference: Tensor, classifiers: dict[str, Classifier], side: int) -> None:
        self.classifiers, self.size = classifiers, (side, side)
        self.expected = {name: self._logits(reference, each) for name, each in classifiers.items()}

    def of(self, features: Tensor) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, classifier in self.classifiers.items():
            actual, expected = self._logits(features, classifier), self.expected[name]
            highest = expected.topk(2, 1).values
            clear = highest[:, 0] - highest[:, 1] > 0.01 * expected.std((0, 2, 3)).mean()
            equal = actual.argmax(1) == expected.argmax(1)
            found[f"equal_{name}_percent"] = 100 * float(equal.float().mean())
            found[f"equal_{name}_clear_percent"] = 100 * float(equal[clear].float().mean())
        return found

    def _logits(self, features: Tensor, classifier: Classifier) -> Tensor:
        return F.interpolate(classifier(features), self.size, mode="bilinear", align_corners=True)


# ---- the variants

HEAVY = ("layer3", "layer4", "head.conva", "head.convb", "head.bottleneck")  # 93 % of the multiplications


def variants(body: nn.Module, image: Tensor, compiled: bool) -> dict[str, Body]:
    """Name -> a call that gives the features of ``image``; the first is the network as it is."""
    last = image.contiguous(memory_format=torch.channels_last)
    example = image[..., :129, :129]
    folded = fold_batch_norm(body, example)
    folded_last = channels_last(folded)
    mixed = with_parts_in_bfloat16(folded_last, HEAVY, ("head.a2block",))
    works: dict[str, Body] = {
        BASELINE: runs(body, image),
        "float32, channels_last": runs(channels_last(body), last),
        "float32, folded": runs(folded, image),
        "float32, folded, channels_last": runs(folded_last, last),
        "autocast to bfloat16, channels_last": autocast(channels_last(body), last),
        "bfloat16": runs(in_bfloat16(body), image),
        "bfloat16, channels_last": runs(in_bfloat16(channels_last(body)), last),
        "bfloat16, folded, channels_last": runs(in_bfloat16(folded_last), last),
        "mixed: layer3, layer4 and the head's 3x3 in bfloat16; folded, channels_last": runs(mixed, last),
        "layer4's branches in bfloat16; folded, channels_last": runs(layer4_branches_in_bfloat16(folded_last), last),
    }
    if not compiled or not (shutil.which("g++") or shutil.which("clang++")):
        progress("  torch.compile is left out" + ("" if not compiled else ": there is no C++ compiler"))
        return works
    return works | {
        "compiled and frozen: float32": runs(frozen(channels_last(body)), last),
        "compiled and frozen: mixed": runs(frozen(mixed), last),
        "compiled and frozen: bfloat16": runs(frozen(in_bfloat16(folded_last)), last),
    }


def runs(network: Callable[[Tensor], dict[str, Tensor]], image: Tensor) -> Body:
    """The features of ``image``. Under ``no_grad`` as all of this part: the caller holds it."""
    return lambda: network(image)["out"]


def autocast(network: nn.Module, image: Tensor) -> Body:
    def work() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            out: Tensor = network(image)["out"]
        return out

    return work


def channels_last(network: nn.Module) -> nn.Module:
    return copy.deepcopy(network).to(memory_format=torch.channels_last)


def frozen(network: nn.Module) -> Callable[[Tensor], dict[str, Tensor]]:
    """Weights become constants, so that oneDNN packs them once; activations are fused into the convolutions."""
    return torch.compile(network, options={"freezing": True})


def in_bfloat16(network: nn.Module) -> nn.Module:
    return computing_in(copy.deepcopy(network), torch.bfloat16)


def with_parts_in_bfloat16(network: nn.Module, low: tuple[str, ...], full: tuple[str, ...]) -> nn.Module:
    """A copy with the parts ``low`` in bfloat16 and, where they stand between those, ``full`` in float32."""
    network = copy.deepcopy(network)
    for names, dtype in ((low, torch.bfloat16), (full, torch.float32)):
        for name in names:
            computing_in(network.get_submodule(name), dtype)
    return network


def layer4_branches_in_bfloat16(network: nn.Module) -> nn.Module:
    """The sums along the residual stream stay in float32: each convolution of a branch rounds for itself alone."""
    network = copy.deepcopy(network)
    for name, module in network.get_submodule("layer4").named_modules():
        if isinstance(module, nn.Conv2d) and "downsample" not in name:
            computing_in(module, torch.bfloat16).register_forward_hook(lambda _, inputs, output: output.float())
    return network


def computing_in(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Cast a module's weights, and its input at each call; the output is of that type."""
    module.to(dtype).register_forward_pre_hook(lambda _, inputs: tuple(each.to(dtype) for each in inputs))
    return module
