"""``gald train``: a recipe, its settings as flags, a run folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Annotated

import tyro

from gald.cli.recipes import show_recipes
from gald.config.difference import WITHOUT_EFFECT, differences
from gald.config.recipes import RECIPES
from gald.config.settings import RunConfig, SegmentationConfig, from_json
from gald.support.errors import UserError, lookup

if TYPE_CHECKING:
    from gald.engine.phases import Part
    from gald.engine.train import Ended


def train(
    settings: RunConfig, out: Path = Path("runs/train"), *, resume: bool = False, notes: Sequence[str] = ()
) -> None:
    """Train a network and keep its best and last checkpoint in ``out``; a run of several parts goes part by part."""
    from gald.engine.phases import parts

    todo = parts(settings, out)  # before torch is there: what is missing is said at once

    from gald.engine.tasks import build_task
    from gald.engine.train import fit

    task = build_task(settings)
    if len(todo) > 1:
        in_parts(todo, settings, out, resume, notes)
    elif (out / "1-begin").is_dir():
        raise UserError(f"{out} holds a run of several parts, which this is not; choose another --out")
    else:
        report(out, fit(settings, out, resume=resume, notes=notes), task.score_title)


def in_parts(todo: Sequence[Part], settings: RunConfig, out: Path, resume: bool, notes: Sequence[str]) -> None:
    """Train one part after the other, on the same processes. What a later part would lack is told before the first."""
    from gald.engine.phases import check, said
    from gald.engine.run_folder import check_folder, check_plan, keep_plan
    from gald.engine.tasks import build_task
    from gald.engine.train import fit_here, processes
    from gald.support.distributed import everyone, first_alone, launched, together
    from gald.support.signals import stoppable

    task, fabric = build_task(settings), processes(settings)
    with launched(fabric), stoppable() as stop:
        together(fabric, lambda: check_folder(out, resume=False))  # a run of one may lie there
        first_alone(fabric, lambda: check_plan(out, settings, resume))
        done = together(fabric, lambda: begun(todo, resume))
        todo = todo[everyone(fabric, done)[0] :]
        together(fabric, lambda: check(todo))
        first_alone(fabric, lambda: keep_plan(out, settings))
        for part in todo:
            goes_on = everyone(fabric, (part.folder / "last.pt").is_file())[0]
            words = [*notes, said(part)] if part is todo[0] else [said(part)]
            ended = fit_here(part.settings, part.folder, fabric, stop, resume=goes_on, notes=words)
            report(part.folder, ended, task.score_title)


def begun(todo: Sequence[Part], resume: bool) -> int:
    """How many parts are finished. None may hold anything yet but those, and the one that was stopped."""
    from itertools import takewhile

    from gald.engine.run_folder import check_folder
    from gald.engine.train import finished

    done = sum(1 for _ in takewhile(lambda each: finished(each.folder, each.settings.steps), todo)) if resume else 0
    for part in todo[done + 1 :] if resume else todo:
        check_folder(part.folder, resume=False)  # what lies there went on from other weights than it would now
    return min(done, len(todo) - 1)


def report(folder: Path, ended: Ended, score: str) -> None:
    """Say how a run, or a part of one, ended; one that was stopped ends the command."""
    if ended.step < ended.steps:
        if ended.first:
            saved = folder / "last.pt"
            print(f"stopped at step {ended.step} of {ended.steps}, saved in {saved}; go on with --resume")
        raise SystemExit(130)
    if ended.first:
        print(f"best checkpoint: {folder / 'best.safetensors'} (val {score} {100 * ended.best:.2f} %)")


def with_defaults(arguments: list[str]) -> tuple[Callable[..., None], list[str]]:
    """Take the recipe (or --config FILE, or --resume) off the command line; its settings are the flags' defaults."""
    recipe, config, rest = _split(arguments)
    out = Path(_value_of("--out", rest) or "runs/train")
    default: RunConfig
    if config is not None:
        default = from_json(_read(Path(config)), config)
    elif recipe is not None:
        default = lookup(RECIPES, recipe, "recipe")()
    elif "--resume" in rest:
        default = from_json(_read(out / "config.json"), str(out / "config.json"))
    elif {"-h", "--help"} & set(rest):
        default = SegmentationConfig()
    else:
        show_recipes()
        raise UserError("say what to train: gald train RECIPE, one of these, or --config FILE")

    def command(
        settings: RunConfig = default,
        out: Path = out,
        resume: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    ) -> None:
        train(settings, out, resume=resume, notes=departures(recipe, default, settings))

    # the flags are those of the recipe's own kind of run
    command.__annotations__["settings"] = Annotated[type(default), tyro.conf.arg(name="")]

    command.__doc__ = f"""Train a network: gald train RECIPE --data.root ROOT --out RUN [--resume]

    {about(recipe)}

    Args:
        settings: the run's settings; defaults are those of the recipe.
        out: the run's folder: config.json, metrics.jsonl, TensorBoard events, last.pt, best.safetensors.
        resume: go on from last.pt in the run's folder.
    """
    return command, rest


def about(recipe: str | None) -> str:
    """What the help says of the recipe, or of all of them if none was named."""
    if recipe is not None:
        return indent(f"{recipe}: {RECIPES[recipe].about}", "    ").strip()
    lines = [f"{name}: {each.summary}" for name, each in RECIPES.items()]
    return "\n\n    ".join(["Recipes (or --config FILE, the config.json of another run):", *lines])


def departures(recipe: str | None, default: RunConfig, settings: RunConfig) -> list[str]:
    """Say in what a run is not the recipe's, whose published number it then can't be held against."""
    different = "; ".join(map(str, differences(default, settings, ignored=WITHOUT_EFFECT)))
    return [f"departs from the recipe {recipe}: {different}"] if recipe and different else []


def _split(arguments: list[str]) -> tuple[str | None, str | None, list[str]]:
    """Recipe, config file and everything else."""
    rest = list(arguments)
    recipe = rest.pop(0) if rest and not rest[0].startswith("-") else None
    config = _value_of("--config", rest)
    if config is not None:
        place = next(i for i, each in enumerate(rest) if each.split("=")[0] == "--config")
        del rest[place : place + (1 if "=" in rest[place] else 2)]
    if recipe is not None and config is not None:
        raise UserError("give a recipe or --config FILE, not both")
    return recipe, config, rest


def _value_of(flag: str, arguments: list[str]) -> str | None:
    """The text behind a flag, written ``--flag text`` or ``--flag=text``."""
    for i, each in enumerate(arguments):
        if each == flag and i + 1 < len(arguments):
            return arguments[i + 1]
        if each.startswith(flag + "="):
            return each.split("=", 1)[1]
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise UserError(f"can't read the settings at {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"can't read the settings at {path}: it is not a text file, config.json of a run is") from None
