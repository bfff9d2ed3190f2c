"""Lists of classes that must be the same."""

from __future__ import annotations

import pytest

from gald.data.labels import Label, check_same_classes, label_ids, label_table
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


def test_a_table_of_labels_is_read_from_text() -> None:
    table = label_table("road 1 2 3, 7 traffic light 4 5 6, sky", first_id=1)
    assert table[:2] == (Label("road", (1, 2, 3), 1), Label("traffic light", (4, 5, 6), 7))
    assert (table[2].name, table[2].id) == ("sky", 3)
    assert len({label.color for label in label_table("a, b, c, d, e")}) == 5


def test_train_ids_become_the_labels_own_values() -> None:
    lookup = label_ids(label_table("7 road, 26 car"), other=4)
    assert lookup[[0, 1, 2, 255]].tolist() == [7, 26, 4, 4]
