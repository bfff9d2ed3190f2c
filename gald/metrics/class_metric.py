"""What every metric with classes is: a ``torchmetrics.Metric`` that knows the names of its classes."""

from collections.abc import Sequence

from torchmetrics import Metric

from gald.support.errors import UserError


class ClassMetric(Metric):
    """Higher is better, and nothing is differentiated.

    Args:
        num_classes: K; the classes are 0 .. K-1.
        names: one name a class, for the keys of ``compute()``; the class numbers if not given.

    Raises:
        UserError: no class; names that are too few, too many or not distinct.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    def __init__(self, num_classes: int, names: Sequence[str] | None) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.names = tuple(names) if names is not None else tuple(map(str, range(num_classes)))
        if num_classes < 1:
            raise UserError(f"num_classes is {num_classes}, but must be 1 or more")
        if len(self.names) != num_classes:
            raise UserError(
                f"{len(self.names)} class names were given for {num_classes} classes; give one name a class"
            )
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise UserError(
                f"class name {twice[0]!r} stands for more than one class; results are kept by name, so rename one"
            )
