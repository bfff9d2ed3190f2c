"""``gald train``: a recipe, its settings as flags, a run folder."""

from __future__ import annotations

from argparse import ArgumentError, ArgumentParser
from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import indent
from typing import Annotated

import tyro

from gald.cli.recipes import show_recipes
from gald.config.difference import WITHOUT_EFFECT, differences
from gald.config.recipes import RECIPES
from gald.config.serialization import load_settings
from gald.config.settings import RunConfig, SegmentationConfig
from gald.engine.phases import phases_of
from gald.support.errors import UserError, lookup


def train(
    settings: RunConfig, out: Path = Path("runs/train"), *, resume: bool = False, notes: Sequence[str] = ()
) -> None:
    """Train a network and keep its best and last checkpoint in ``out``; a run of several parts goes part by part."""
    phases = phases_of(settings, out)  # before torch is there: what is missing is said at once

    from gald.engine.run import Run

    if Run(settings, phases, out, resume=resume).train(notes).stopped:
        raise SystemExit(130)


def with_defaults(arguments: list[str]) -> tuple[Callable[..., None], list[str]]:
    """Take the recipe (or --config FILE, or --resume) off the command line; its settings are the flags' defaults."""
    recipe, config, rest = _split(arguments)
    out = Path(_take("--out", rest)[0] or "runs/train")
    default: RunConfig
    if config is not None:
        default = load_settings(Path(config))
    elif recipe is not None:
        default = lookup(RECIPES, recipe, "recipe")()
    elif "--resume" in rest:
        default = load_settings(out / "config.json")
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
    lines = [f"{name}: {recipe_info.summary}" for name, recipe_info in RECIPES.items()]
    return "\n\n    ".join(["Recipes (or --config FILE, the config.json of another run):", *lines])


def departures(recipe: str | None, default: RunConfig, settings: RunConfig) -> list[str]:
    """Say in what a run is not the recipe's, whose published number it then can't be held against."""
    different = "; ".join(map(str, differences(default, settings, ignored=WITHOUT_EFFECT)))
    return [f"departs from the recipe {recipe}: {different}"] if recipe and different else []


def _split(arguments: list[str]) -> tuple[str | None, str | None, list[str]]:
    """Recipe, config file and everything else."""
    recipe, rest = (None, arguments) if not arguments or arguments[0].startswith("-") else (arguments[0], arguments[1:])
    config, rest = _take("--config", rest)
    if recipe is not None and config is not None:
        raise UserError("give a recipe or --config FILE, not both")
    return recipe, config, rest


def _take(flag: str, arguments: list[str]) -> tuple[str | None, list[str]]:
    """The text behind a flag, written ``--flag text`` or ``--flag=text``, and everything else."""
    parser = ArgumentParser(prog="gald train", add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument(flag, dest="text")
    try:
        found, rest = parser.parse_known_args(arguments)
    except ArgumentError:
        raise UserError(f"{flag} says nothing: write {flag} {'FILE' if flag == '--config' else 'FOLDER'}") from None
    return found.text, rest
