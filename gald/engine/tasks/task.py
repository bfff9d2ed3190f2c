"""What a task is: everything that the training loop and the commands ask of segmentation or of detection."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeAlias, TypeVar, runtime_checkable

from rich.table import Table
from torch import Tensor, nn
from torch.utils.data import Dataset
from torchmetrics import Metric, MetricCollection

from gald.config.inference import ViewConfig
from gald.data.labels import Label
from gald.data.sampling import Sample, Stream

SampleT = TypeVar("SampleT", bound=Sample)
PredictionT = TypeVar("PredictionT")
PredictionT_contra = TypeVar("PredictionT_contra", contravariant=True)

PLAIN = ViewConfig()
"""The picture as it is."""
ComputeLoss: TypeAlias = Callable[[nn.Module, list[SampleT]], dict[str, Tensor]]
"""From the network and a batch to the terms of the loss; ``"loss"`` is what is learned from."""


@runtime_checkable
class LabelledDataset(Protocol):
    """What is asked of the data set of any task."""

    @property
    def labels(self) -> tuple[Label, ...]:
        """The classes; their place is the train id."""

    @property
    def labelled(self) -> bool:
        """Whether the truth is there: that of some test sets isn't public."""

    @property
    def doubts(self) -> tuple[str, ...]:
        """What somebody should look at before training."""

    def __len__(self) -> int: ...


DatasetT = TypeVar("DatasetT", bound=LabelledDataset)


@runtime_checkable
class PredictionWriter(Protocol[PredictionT_contra]):
    """Writes what is predicted of pictures into files."""

    def files(self, name: str) -> tuple[str, ...]:
        """What is written of a picture of this name, as paths in the folder."""

    def add(self, name: str, suffix: str, image: Tensor, prediction: PredictionT_contra) -> None:
        """Take the prediction of a picture, whose own file is called ``name`` and ends in ``suffix``."""

    def close(self) -> str:
        """Write what is left; where it all lies, in words."""


@runtime_checkable
class Task(Protocol[DatasetT, SampleT, PredictionT]):
    """One task of one run, made from the run's settings.

    A batch is the list of its samples, and a prediction is that of one picture (3, H, W).
    """

    score: ClassVar[str]
    """Key of the number that the best checkpoint is chosen by ..."""
    score_title: ClassVar[str]
    """... and how it is called."""
    backbone_prefix: ClassVar[str]
    """How the names of the parameters begin that learn at the plain rate."""

    def build_dataset(self, split: str) -> DatasetT:
        """One split of the run's data set."""

    def training_samples(self, dataset: DatasetT) -> Stream[SampleT]:
        """The endless stream of augmented samples."""

    def evaluation_samples(self, dataset: DatasetT) -> Dataset[SampleT]:
        """The samples as evaluation takes them."""

    def build_model(self, num_classes: int, *, initial_weights: bool = True) -> nn.Module:
        """The network, with the initial weights that the settings ask for, or with random ones."""

    def build_loss(self, dataset: DatasetT, *, show_progress: bool = True) -> ComputeLoss[SampleT]:
        """The loss on this training set.

        Raises:
            UserError: a data set that can't be trained on.
        """

    def activation(self, model: nn.Module, batch: list[SampleT]) -> Tensor:
        """A number that is finite if the network, in evaluation mode, works on the batch."""

    def build_predictor(self, model: nn.Module, views: ViewConfig = PLAIN) -> Callable[[Tensor], PredictionT]:
        """The function from a picture (3, H, W) to its prediction; raises `UserError` for a view that can't be."""

    def build_metrics(self, dataset: DatasetT, *, complete: bool) -> Metric | MetricCollection:
        """What ``gald evaluate`` measures; not ``complete``: what is worth its time in a validation while training."""

    def update_metrics(self, metrics: Metric | MetricCollection, prediction: PredictionT, sample: SampleT) -> None:
        """Count one picture."""

    def score_table(self, scores: dict[str, float], dataset: DatasetT) -> Table:
        """The scores of the complete metrics, a row a class."""

    def build_writer(self, labels: Sequence[Label], out: Path, score: float | None) -> PredictionWriter[PredictionT]:
        """What ``gald predict`` writes into ``out``; objects of at least this ``score`` are drawn."""


AnyTask: TypeAlias = Task[Any, Any, Any]
"""A task whose kind is known only when a run's settings are read. What works on it takes ``Task[D, S, P]``."""
