"""What a study is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gald.config.inference import Accelerator
from gald.config.settings import SegmentationConfig
from gald.data.registry import DATASETS
from gald.support.errors import UserError


@dataclass(frozen=True)
class Study:
    """Rows that are trained alike for every seed, and which of them are held against which.

    Raises:
        UserError: a row that is named and not there; rows that differ in more than their network.
    """

    rows: Mapping[str, SegmentationConfig]
    """Settings by name, in the order of the table. They may differ in ``model`` only."""
    seeds: tuple[int, ...]
    reference: str
    """The row that all others are held against."""
    against: tuple[tuple[str, str], ...] = ()
    """More rows to hold against another: (row, the other), such as ``("psp_ld", "psp")``."""
    apart: tuple[str, ...] = ()
    """Classes that the table shows one by one."""
    pretrained: bool = True
    """Whether the backbone begins with weights that must be given, else with random ones."""
    test_split: str = "test"

    def __post_init__(self) -> None:
        unknown = {self.reference, *(name for pair in self.against for name in pair)} - self.rows.keys()
        if unknown:
            raise UserError(f"the study has no row {sorted(unknown)[0]!r}")
        first = self.rows[self.reference]
        for name, row in self.rows.items():
            if replace(row, model=first.model) != first:
                raise UserError(
                    f"row {name!r} differs from {self.reference!r} in more than the network: that is unfair"
                )

    @property
    def train_split(self) -> str:
        """What is trained on."""
        return self.rows[self.reference].data.train_split

    @property
    def splits(self) -> tuple[str, str]:
        """What is measured: to choose by, and to report."""
        return self.rows[self.reference].data.val_split, self.test_split

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Every (row, the other) that is compared: all rows with the reference row, then `against`."""
        found = [(row, self.reference) for row in self.rows if row != self.reference]
        return list(dict.fromkeys([*found, *self.against]))

    def placed(
        self,
        name: str,
        *,
        root: Path | None,
        weights: Path | None,
        pretrained: bool,
        accelerator: Accelerator,
        workers: int,
    ) -> "Study":
        """The study called ``name`` on this machine: where the data and the backbone's weights lie, what computes.

        Raises:
            UserError: what is missing for it.
        """
        self._check_root(name, root)
        if self.pretrained and not (weights or pretrained):
            raise UserError(
                f"the backbones of {name} begin with ImageNet weights: give their file, --model.weights FILE, or "
                "--model.pretrained where timm may download them"
            )
        if weights is not None and not weights.is_file():
            raise UserError(f"there is no file {weights}: --model.weights holds the backbone's first weights")

        def place(row: SegmentationConfig) -> SegmentationConfig:
            model = replace(row.model, weights=weights, pretrained=pretrained)
            data = replace(row.data, root=root, workers=workers)
            return replace(row, model=model, data=data, accelerator=accelerator)

        return replace(self, rows={row: place(settings) for row, settings in self.rows.items()})

    def _check_root(self, name: str, root: Path | None) -> None:
        drawn = DATASETS[self.rows[self.reference].data.name].drawn
        if drawn and root is not None:
            raise UserError(f"the pictures of {name} are drawn, none are read: leave --data.root out")
        if not drawn and root is None:
            raise UserError(f"{name} needs pictures: say where they lie, --data.root ROOT")
        if root is not None and not root.is_dir():
            raise UserError(f"there is no folder {root}: --data.root is where the pictures lie")
