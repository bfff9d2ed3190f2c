"""Mean intersection over union from one summed confusion matrix: the benchmarks' definition.

Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge", IJCV 2010; Cityscapes, ADE20K and CamVid take the
same: pixels are summed over the whole data set first, the ratio is taken last. A mean of ratios per image is another
number (0.51 in place of 0.42 on the same maps), so no ratio here is averaged over images.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float64, Int16, Int64, Integer
from torch import Tensor

from gald.metrics.class_metric import ClassMetric
from gald.support.errors import UserError

BYTE = 256  # values of an 8-bit label map
PIECE = 2**18  # pixels that are counted at once on a CPU: what is made of them stays in its cache
MOST_CLASSES = 32766  # labels and two marks (no label, outside) fit into an int16


class LabelMetric(ClassMetric):
    """What the metrics on label maps share: the ignored value, the check of both maps.

    Args:
        num_classes: K; it and ``names`` are explained in `gald.metrics.class_metric.ClassMetric`.
        ignore_index: the value in the truth whose pixels are left out; not one of the classes.

    Every state is a sum (``dist_reduce_fx="sum"``), so several processes, or metrics merged with ``merge_state``, give
    exactly the numbers of one.

    Raises:
        UserError: too many classes; an ignored value that is a class.
    """

    def __init__(self, num_classes: int, *, names: Sequence[str] | None = None, ignore_index: int = 255) -> None:
        super().__init__(num_classes, names)
        self.ignore_index = ignore_index
        if num_classes > MOST_CLASSES:
            raise UserError(f"num_classes is {num_classes}, but must be from 1 to {MOST_CLASSES}")
        if 0 <= ignore_index < num_classes:
            raise UserError(
                f"ignore_index {ignore_index} is one of the {num_classes} classes; take a value that is not"
            )

    def add_counts(self, name: str, *shape: int) -> None:
        """Add an int64 state of zeros that is summed over processes."""
        self.add_state(name, torch.zeros(shape, dtype=torch.int64), dist_reduce_fx="sum")

    def checked(
        self, prediction: Integer[Tensor, "b h w"], target: Integer[Tensor, "b h w"]
    ) -> tuple[Int16[Tensor, "b h w"], Int16[Tensor, "b h w"], Bool[Tensor, "b h w"]]:
        """Return both maps, and where the truth is not ignored (where it is, the returned truth holds a 0).

        Raises:
            UserError: a value that is no class; the sentence names it.
        """
        assert prediction.shape == target.shape, (prediction.shape, target.shape)
        # int64 first: an ignored -100 would wrap around in a comparison with uint8
        valid = target.long() != self.ignore_index
        target = target.masked_fill(~valid, 0)
        self._check("prediction", prediction, "is num_classes right?")
        self._check("truth", target, "map the label file's values to train ids first")
        # a quarter of the memory traffic of int64: all that follows takes half the time
        return prediction.short(), target.short(), valid

    def _check(self, which: str, labels: Integer[Tensor, "b h w"], advice: str) -> None:
        for value in (extreme.item() for extreme in torch.aminmax(labels)):
            if not 0 <= value < self.num_classes:
                raise UserError(
                    f"the {which} holds the value {value}, but the classes are 0 to {self.num_classes - 1} "
                    f"and only the truth may hold the ignored value {self.ignore_index}; {advice}"
                )

    def count(self, labels: Integer[Tensor, "b h w"], where: Bool[Tensor, "b h w"]) -> Int64[Tensor, " k"]:
        """Count the pixels of each class among those marked in ``where``."""
        # the others go into one more bin: several times as fast as picking the marked ones out
        bins = labels.masked_fill(~where, self.num_classes).flatten()
        return torch.bincount(bins, minlength=self.num_classes + 1)[:-1]

    def report(self, key: str, values: Float64[Tensor, " k"]) -> dict[str, float]:
        """Return ``{key: mean, "key/NAME": ...}``; NaN says "no such pixel anywhere" and is left out of the mean."""
        per_class = zip(self.names, values.tolist(), strict=True)
        return {key: values.nanmean().item(), **{f"{key}/{name}": value for name, value in per_class}}


def ratio(part: Int64[Tensor, "*n"], whole: Int64[Tensor, "*m"]) -> Float64[Tensor, "*n"]:
    """Divide counts, in float64 and so on the CPU (they broadcast); 0 / 0 is NaN, the mark of an absent class."""
    return part.cpu().double() / whole.cpu().double()


class MeanIoU(LabelMetric):
    """Intersection over union of each class, and its mean over the classes that occur in truth or prediction.

    ``compute()`` returns ``"miou"``, ``"pixel_accuracy"`` and ``"iou/NAME"``, all in [0, 1]. A class without a pixel in
    truth and prediction is NaN. ``confusion`` is the (K, K) int64 matrix, rows truth, columns prediction.
    """

    confusion: Tensor

    def __init__(self, num_classes: int, *, names: Sequence[str] | None = None, ignore_index: int = 255) -> None:
        super().__init__(num_classes, names=names, ignore_index=ignore_index)
        self.add_counts("confusion", num_classes, num_classes)

    def update(self, prediction: Integer[Tensor, "b h w"], target: Integer[Tensor, "b h w"]) -> None:
        """Add a batch of label maps; a value that is no class is a `gald.support.errors.UserError`."""
        assert prediction.shape == target.shape, (prediction.shape, target.shape)
        counts = self._counts_of_bytes(prediction, target)
        self.confusion += self._counts(prediction, target) if counts is None else counts

    def _counts_of_bytes(
        self, prediction: Integer[Tensor, "b h w"], target: Integer[Tensor, "b h w"]
    ) -> Int64[Tensor, "k k"] | None:
        """Count all pairs of 8-bit values, then see from the table whether each was allowed; None where one wasn't.

        A third of the time of `_counts` (2 megapixels, one thread): no pixel is checked or masked.
        """
        classes, ignored = self.num_classes, self.ignore_index
        extremes = [int(value) for labels in (prediction, target) for value in torch.aminmax(labels)]
        if classes > BYTE or min(extremes) < 0 or max(extremes) >= BYTE:
            return None
        counts = torch.zeros(BYTE**2, dtype=torch.int64, device=target.device)
        piece = PIECE if target.device.type == "cpu" else target.numel()
        for ours, theirs in zip(
            *(torch.split(labels.flatten(), piece) for labels in (prediction, target)), strict=True
        ):
            counts += torch.bincount(torch.add(ours.int(), theirs.int(), alpha=BYTE), minlength=BYTE**2)
        by_value = counts.reshape(BYTE, BYTE)[:, :classes]  # the prediction must be a class even where the truth is not
        allowed = [*range(classes), ignored] if 0 <= ignored < BYTE else [*range(classes)]
        return by_value[:classes] if int(by_value[allowed].sum()) == target.numel() else None

    def _counts(self, prediction: Integer[Tensor, "b h w"], target: Integer[Tensor, "b h w"]) -> Int64[Tensor, "k k"]:
        prediction, target, valid = self.checked(prediction, target)
        classes = self.num_classes
        cell = (target.int() * classes + prediction).masked_fill(~valid, classes**2)
        return torch.bincount(cell.flatten(), minlength=classes**2 + 1)[:-1].reshape(classes, classes)

    def compute(self) -> dict[str, float]:
        """Return the ratios of everything seen since the last ``reset()``."""
        hit = self.confusion.diagonal()
        union = self.confusion.sum(0) + self.confusion.sum(1) - hit
        values = self.report("iou", ratio(hit, union))
        accuracy = ratio(hit.sum(), self.confusion.sum()).item()
        return {"pixel_accuracy": accuracy, "miou": values.pop("iou"), **values}
