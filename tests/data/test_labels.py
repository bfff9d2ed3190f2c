"""Lists of classes that must be the same."""

from __future__ import annotations

import pytest

from gald.data.labels import Label, check_same_classes
from gald.support.errors import UserError


def labels(*names: str) -> list[Label]:
    return [Label(name, (0, 0, 0), number) for number, name in enumerate(names)]


@pytest.mark.parametrize(
    ("here", "sentence"),
    [
        (labels("road"), "the net has 1 classes and the data has 2; bring them in line"),
        (labels("pole", "road"), "the net has the classes of the data in another order: pole, road; list them so"),
        (labels("road", "tree"), "the net has the class 'tree' where the data has 'pole'; bring them in line"),
    ],
    ids=["number", "order", "name"],
)
def test_other_classes_are_refused(here: list[Label], sentence: str) -> None:
    with pytest.raises(UserError) as error:
        check_same_classes(here, labels("road", "pole"), "the net", "the data", "bring them in line")
    assert str(error.value) == sentence


def test_the_same_names_pass_whatever_their_colours_and_ids() -> None:
    others = [Label("road", (1, 2, 3), 7), Label("pole", (4, 5, 6), 8)]
    check_same_classes(labels("road", "pole"), others, "the net", "the data", "")
