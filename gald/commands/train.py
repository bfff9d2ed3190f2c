"""``gald train``: a recipe, its settings as flags, a run folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import tyro

from gald.config import Train, from_json
from gald.errors import UserError, lookup
from gald.recipes import RECIPES


def train(settings: Train, out: Path = Path("runs/train"), *, resume: bool = False) -> None:
    """Train a network and keep its best and last checkpoint in ``out``."""
    from gald.tasks import segment
    from gald.training import fit

    ended = fit(segment, settings, out, resume=resume)
    if ended.step < ended.steps:
        if ended.first:
            print(f"stopped at step {ended.step} of {ended.steps}, saved in {out / 'last.pt'}; go on with --resume")
        raise SystemExit(130)
    if ended.first:
        print(f"best checkpoint: {out / 'best.safetensors'} (val mIoU {100 * ended.best:.2f} %)")


def with_defaults(arguments: list[str]) -> tuple[Callable[..., None], list[str]]:
    """Take the recipe (or --config FILE, or --resume) off the command line; its settings are the flags' defaults."""
    recipe, config, rest = _split(arguments)
    out = Path(_value_of("--out", rest) or "runs/train")
    if config is not None:
        default = from_json(Train, _read(Path(config)), config)
    elif recipe is not None:
        default = lookup(RECIPES, recipe, "recipe")()
    elif "--resume" in rest:
        default = from_json(Train, _read(out / "config.json"), str(out / "config.json"))
    elif {"-h", "--help"} & set(rest):
        default = Train()
    else:
        raise UserError(f"say what to train: gald train RECIPE, one of {', '.join(RECIPES)}; or --config FILE")

    def command(
        settings: Annotated[Train, tyro.conf.arg(name="")] = default,
        out: Path = out,
        resume: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    ) -> None:
        train(settings, out, resume=resume)

    recipes = "\n\n    ".join(f"{name}: {(make.__doc__ or '').splitlines()[0]}" for name, make in RECIPES.items())
    command.__doc__ = f"""Train a network: gald train RECIPE --data.root ROOT --out RUN [--resume]

    Recipes (or --config FILE, the config.json of another run):

    {recipes}

    Args:
        settings: the run's settings; defaults are those of the recipe.
        out: the run's folder: config.json, metrics.jsonl, TensorBoard events, last.pt, best.safetensors.
        resume: go on from last.pt in the run's folder.
    """
    return command, rest


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
