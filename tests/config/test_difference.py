"""In what two runs differ: what a resume, a recipe, a study and a comparison ask for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gald.config.difference import OF_NO_NETWORK, RESUMABLE, WITHOUT_EFFECT, changed, differences
from gald.config.recipes import RECIPES
from gald.config.settings import PhaseConfig, RunConfig, SegmentationConfig

RUN = SegmentationConfig(then=(PhaseConfig("fine", steps=2),))


def said(before: RunConfig, now: RunConfig, ignored: set[str] | None = None) -> list[str]:
    return [str(each) for each in differences(before, now, ignored=ignored or set())]


def test_settings_are_named_with_dots_and_phases_by_number() -> None:
    other = replace(RUN, model=replace(RUN.model, ga="cgnl"), then=(PhaseConfig("fine", steps=3), PhaseConfig("more")))
    assert said(RUN, RUN) == []
    assert said(RUN, other) == [
        "model.ga was psp, is cgnl",
        "then.0.steps was 2, is 3",
        "then.1.name was None, is more",
    ]


def test_plain_entries_are_told_in_the_same_words() -> None:
    found = changed({"tile": None, "flip": True, "gone": 1}, {"tile": [32, 32], "flip": True, "new": 2})
    assert [str(difference) for difference in found] == ["tile was None, is [32, 32]", "new was None, is 2"]


def test_another_task_is_all_there_is_to_say() -> None:
    assert said(RECIPES["shapes"](), RECIPES["synthetic"]()) == ["task was detect, is segment"]


def test_what_may_differ_is_left_out() -> None:
    moved = replace(
        RUN,
        log_every=7,
        val_every=9,
        init=Path("begin.pt"),
        data=replace(RUN.data, workers=3, root=Path("elsewhere")),
        then=(replace(RUN.then[0], root=Path("there")),),
    )
    assert said(RUN, moved, RESUMABLE) == []
    assert said(RUN, moved, WITHOUT_EFFECT) == ["init was None, is begin.pt", "val_every was 1000, is 9"]
    assert said(RUN, moved, OF_NO_NETWORK) == ["log_every was 20, is 7", "val_every was 1000, is 9"]
