"""IoU and iIoU of classes and of categories of classes: in iIoU, every true instance of a class weighs the same.

Cordts et al., "The Cityscapes Dataset for Semantic Urban Scene Understanding", CVPR 2016, arXiv 1604.01685. IoU favours
large instances, so a pixel of a true instance is weighted by (mean size of the class's instances) / (size of this
instance): ``iIoU = iTP / (iTP + FP + iFN)``. A prediction has no instances, so FP stays a count of pixels.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float64, Int64, Integer
from torch import Tensor
from torchmetrics import Metric

from gald.metrics.iou import ratio
from gald.support.errors import UserError

NUMBERS = 1000  # an instance of label L has the value L * 1000 + n, n from 0 to 999


class Group(NamedTuple):
    """Labels that are scored as one: a class alone, or all classes of a category.

    ``labels`` are those whose true pixels count and whose prediction is right for IoU. ``found_as`` are those whose
    prediction is right on an instance, for iIoU; none where the group has no instances. It can be more than ``labels``:
    a car that is taken for a caravan was found as a vehicle, though no caravan is scored.
    """

    labels: tuple[int, ...]
    found_as: tuple[int, ...] = ()


class InstanceIoU(Metric):
    """IoU and iIoU of groups of labels, in the values of the label files themselves (not in train ids).

    Pixels whose true label is in no group are ignored. A prediction of such a label is a miss where the truth is a
    label of a group, and nobody's false positive. A crowd that was drawn as one (its value in the instance map is the
    label itself) counts in IoU, but in iIoU neither as found nor as missed.

    ``compute()`` returns for each kind, say ``"class"``, ``"iou_class"``, ``"iiou_class"`` (means over what is not NaN)
    and ``"iou_class/NAME"``, ``"iiou_class/NAME"``, in [0, 1]; NaN where the group has no pixel (of an instance) in
    truth and no false one, and the iIoU of a group without instances.

    Args:
        kinds: kind -> name -> group; the groups of a kind share no label.
        num_labels: label values are 0 to ``num_labels - 1``.
        sizes: label -> mean pixels of its instances in the training set; instances of other labels are not scored.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    confusion: Tensor
    found: Tensor
    missed: Tensor

    def __init__(self, kinds: Mapping[str, Mapping[str, Group]], num_labels: int, sizes: Mapping[int, float]) -> None:
        super().__init__()
        self.kinds, self.num_labels, self.sizes = kinds, num_labels, sizes
        groups = sum(len(named) for named in kinds.values())
        self.add_state("confusion", torch.zeros(num_labels, num_labels, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("found", torch.zeros(groups, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("missed", torch.zeros(groups, dtype=torch.float64), dist_reduce_fx="sum")

    def update(
        self,
        prediction: Integer[Tensor, "b h w"],
        target: Integer[Tensor, "b h w"],
        instances: Integer[Tensor, "b h w"],
    ) -> None:
        """Add a batch of label maps with their instance maps (label * 1000 + number; below 1000 is no instance).

        Raises:
            UserError: a value that is no label, or an instance of none; the sentence names it.
        """
        assert prediction.shape == target.shape == instances.shape, (prediction.shape, target.shape, instances.shape)
        self._check("prediction holds the value", prediction, self.num_labels)
        self._check("truth holds the value", target, self.num_labels)
        self._check("instance map holds the value", instances, self.num_labels * NUMBERS)
        cell = target.long() * self.num_labels + prediction
        counts = torch.bincount(cell.flatten(), minlength=self.num_labels**2)
        self.confusion += counts.reshape(self.num_labels, self.num_labels)
        for labels, numbers in zip(prediction, instances.long(), strict=True):
            self._add_instances(labels, numbers)

    def _check(self, what: str, values: Integer[Tensor, "b h w"], limit: int) -> None:
        for value in (int(extreme) for extreme in torch.aminmax(values)):
            if not 0 <= value < limit:
                raise UserError(f"the {what} {value}, but it must be from 0 to {limit - 1}; is num_labels right?")

    def _add_instances(self, prediction: Integer[Tensor, "h w"], numbers: Int64[Tensor, "h w"]) -> None:
        """Add the pixels of each instance in one picture that are found and missed, weighted by its size."""
        pixels = torch.bincount(numbers.flatten())
        values = pixels.nonzero()[:, 0]
        values = values[self._mean_sizes(values) > 0]
        size, mean = pixels[values], self._mean_sizes(values)
        true_label, start = numbers // NUMBERS, 0
        for groups in self.kinds.values():
            of_truth = self._group_of([group.labels if group.found_as else () for group in groups.values()])
            right = (
                self._group_of([group.found_as for group in groups.values()])[prediction.long()] == of_truth[true_label]
            )
            hits = torch.bincount(numbers.masked_fill(~right, 0).flatten(), minlength=len(pixels))[values]
            place = of_truth[values // NUMBERS]
            known = place >= 0
            for state, count in ((self.found, hits), (self.missed, size - hits)):
                weighted = count * (mean / size)  # every instance counts as one of mean size
                state[start : start + len(groups)].index_add_(0, place[known], weighted[known])
            start += len(groups)

    def _mean_sizes(self, values: Int64[Tensor, " n"]) -> Float64[Tensor, " n"]:
        """The mean size of the class of each instance; 0 for what is no scored instance."""
        table = torch.zeros(self.num_labels, dtype=torch.float64)
        table[list(self.sizes)] = torch.tensor(list(self.sizes.values()), dtype=torch.float64)
        return table.to(values.device)[values // NUMBERS].masked_fill(values < NUMBERS, 0)

    def _group_of(self, members: Sequence[tuple[int, ...]]) -> Int64[Tensor, " l"]:
        """Lookup from label to the group that it is a member of, -1 for none."""
        table = torch.full((self.num_labels,), -1)
        for place, labels in enumerate(members):
            table[list(labels)] = place
        return table.to(self.confusion.device)

    def compute(self) -> dict[str, float]:
        """Return the ratios of everything seen since the last ``reset()``."""
        matrix, start = self.confusion.cpu(), 0
        results: dict[str, float] = {}
        for kind, groups in self.kinds.items():
            found, missed = (state[start : start + len(groups)].cpu() for state in (self.found, self.missed))
            start += len(groups)
            for key, values in (
                (f"iou_{kind}", _iou(matrix, [*groups.values()])),
                (f"iiou_{kind}", _instance_iou(matrix, [*groups.values()], found, missed)),
            ):
                by_name = zip(groups, values.tolist(), strict=True)
                results |= {key: values.nanmean().item(), **{f"{key}/{name}": value for name, value in by_name}}
        return results


def _others(groups: Sequence[Group], own: Group) -> list[int]:
    """The scored labels that are not of a group: only there can its prediction be a false positive."""
    return [label for group in groups if group is not own for label in group.labels]


def _iou(matrix: Int64[Tensor, "l l"], groups: Sequence[Group]) -> Float64[Tensor, " g"]:
    values = []
    for group in groups:
        labels = list(group.labels)
        hit, true = matrix[labels][:, labels].sum(), matrix[labels].sum()
        values.append(ratio(hit, true + matrix[_others(groups, group)][:, labels].sum()))
    return torch.stack(values)


def _instance_iou(
    matrix: Int64[Tensor, "l l"], groups: Sequence[Group], found: Float64[Tensor, " g"], missed: Float64[Tensor, " g"]
) -> Float64[Tensor, " g"]:
    false = [matrix[_others(groups, group)][:, list(group.found_as)].sum() for group in groups]
    # without instances: 0 / 0, which is NaN
    return found / (found + missed + torch.stack(false))
