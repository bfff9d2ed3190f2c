"""What the detection metrics share: every prediction and every truth is kept until the end, and checked at once.

Average precision ranks the detections of the whole data set, so no sum over pictures will do: the rows themselves are
the state. One list a column, joined over processes by concatenation.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from gald.metrics.class_metric import ClassMetric
from gald.support.errors import UserError


class Predictions(NamedTuple):
    """All predictions, row by row."""

    boxes: Float64[np.ndarray, "n 4"]
    scores: Float64[np.ndarray, " n"]
    classes: Int64[np.ndarray, " n"]
    pictures: Int64[np.ndarray, " n"]


class GroundTruths(NamedTuple):
    """All true objects, row by row."""

    boxes: Float64[np.ndarray, "m 4"]
    classes: Int64[np.ndarray, " m"]
    ignored: Bool[np.ndarray, " m"]
    areas: Float64[np.ndarray, " m"]
    pictures: Int64[np.ndarray, " m"]


class DetectionMetric(ClassMetric):
    """Keeps the rows of every picture.

    Args:
        num_classes: K, without a background; it and ``names`` are explained in `gald.metrics.class_metric.ClassMetric`.

    Rows are kept as float32, as models and data sets give them. They are ordered by ``image_id`` before anything is
    ranked, so several processes, or metrics merged with ``merge_state``, give exactly the numbers of one.
    """

    def __init__(self, num_classes: int, *, names: Sequence[str] | None = None) -> None:
        super().__init__(num_classes, names)
        self.columns: dict[str, tuple[tuple[int, ...], torch.dtype]] = {}
        self.add_column("pictures", torch.int64)
        for side in ("found", "true"):
            self.add_column(f"{side}_boxes", torch.float32, 4)
            self.add_column(f"{side}_classes", torch.int64)
            self.add_column(f"{side}_pictures", torch.int64)
        self.add_column("found_scores", torch.float32)
        self.add_column("true_areas", torch.float32)
        self.add_column("true_ignored", torch.uint8)  # gloo knows no bool

    def add_column(self, name: str, dtype: torch.dtype, *width: int) -> None:
        """Add a state: a list of tensors (n, *width) that is concatenated over processes."""
        self.columns[name] = (width, dtype)
        self.add_state(name, [], dist_reduce_fx="cat")
        self._begin(name)

    def _begin(self, name: str) -> None:
        # Never quite empty: a process without a picture must say type and width, or the processes cannot be joined.
        width, dtype = self.columns[name]
        getattr(self, name).append(torch.zeros((0, *width), dtype=dtype, device=self.device))

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        for name in self.columns:
            self._begin(name)

    def add(self, name: str, rows: Tensor) -> None:
        """Append rows to a column."""
        getattr(self, name).append(rows.detach().to(self.device, self.columns[name][1]))

    def update(self, prediction: Mapping[str, Tensor], target: Mapping[str, Any]) -> None:
        """Add one picture.

        Args:
            prediction: ``"boxes"`` (P, 4) float, x1, y1, x2, y2 in pixels, continuous edges; ``"scores"`` (P,) float;
                ``"classes"`` (P,) int64.
            target: ``"boxes"`` (N, 4), ``"classes"`` (N,), ``"ignored"`` (N,) bool, ``"areas"`` (N,) in square pixels,
                ``"image_id"``: an integer that no other picture has.

        Raises:
            UserError: a class that is none, or a number that is none; the sentence names the picture.
        """
        picture = int(target["image_id"])
        self._check("prediction", picture, prediction, ("boxes", "scores"))
        self._check("truth", picture, target, ("boxes", "areas"))
        self.add("pictures", torch.tensor([picture]))
        for side, values, columns in (
            ("found", prediction, ("boxes", "scores", "classes")),
            ("true", target, ("boxes", "classes", "ignored", "areas")),
        ):
            for column in columns:
                self.add(f"{side}_{column}", values[column])
            self.add(f"{side}_pictures", torch.full((len(values["boxes"]),), picture))

    def _check(self, which: str, picture: int, values: Mapping[str, Any], numbers: tuple[str, ...]) -> None:
        rows, classes = len(values["boxes"]), values["classes"]
        assert values["boxes"].shape == (rows, 4), values["boxes"].shape
        assert classes.shape == (rows,), (classes.shape, rows)
        for column in numbers:
            assert len(values[column]) == rows, (column, values[column].shape, rows)
            if not values[column].isfinite().all():
                raise UserError(
                    f"the {which} for picture {picture} holds {column} that are no finite numbers; "
                    "did the network diverge?"
                )
        wrong = classes[(classes < 0) | (classes >= self.num_classes)]
        if len(wrong):
            raise UserError(
                f"the {which} for picture {picture} holds the class {int(wrong[0])}, but the classes are 0 to "
                f"{self.num_classes - 1}; is num_classes right?"
            )

    def column(self, name: str) -> np.ndarray:
        """Return all rows of a column."""
        state = getattr(self, name)  # a list, or after processes were joined one tensor
        rows: np.ndarray = (state if isinstance(state, Tensor) else torch.cat(state)).cpu().numpy()
        return rows

    def picture_ids(self) -> Int64[np.ndarray, " b"]:
        """Return the pictures' ids in the order in which they came.

        Raises:
            UserError: a picture was given twice; its objects would count twice.
        """
        pictures = self.column("pictures")
        ids, counts = np.unique(pictures, return_counts=True)
        if (counts > 1).any():
            raise UserError(
                f"picture {ids[counts > 1][0]} was given more than once; update the metric once for each picture, "
                "and give every picture an image_id of its own"
            )
        return pictures

    def predictions(self) -> Predictions:
        """Return all predictions; those of one picture in the order in which they were given."""
        return Predictions(
            self.column("found_boxes").astype(np.float64),
            self.column("found_scores").astype(np.float64),
            self.column("found_classes"),
            self.column("found_pictures"),
        )

    def ground_truths(self) -> GroundTruths:
        """Return all true objects; those of one picture in the order in which they were given."""
        return GroundTruths(
            self.column("true_boxes").astype(np.float64),
            self.column("true_classes"),
            self.column("true_ignored").astype(bool),
            self.column("true_areas").astype(np.float64),
            self.column("true_pictures"),
        )
