"""The ``gald`` command: a table of functions. Each is imported when it is asked for; torch only inside it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pkgutil import resolve_name

from gald import __version__
from gald.support.errors import UserError, lookup, sentence

# name -> (where the function lives, what it does)
COMMANDS = {
    "demo": ("gald.cli.demo:demo", "train a small network here and now, and see what GA and LD each add"),
    "train": ("gald.cli.train:train", "train a network by a recipe; stop and resume at will"),
    "study": ("gald.cli.study:study", "train the rows of a study alike, several seeds each, and compare them"),
    "evaluate": ("gald.cli.evaluate:evaluate", "measure a network on a data set"),
    "predict": ("gald.cli.predict:predict", "segment pictures, or find their objects"),
    "score": ("gald.cli.score:score", "score a folder of predictions, whatever made them"),
    "compare": ("gald.cli.compare:compare", "compare two checkpoints or folders of predictions, as a page"),
    "submit": ("gald.cli.submit:submit", "predict a benchmark's test set and write what its server takes"),
    "benchmark": ("gald.cli.benchmark:benchmark", "measure what each aggregation costs, beside a 3x3 convolution"),
    "footprint": ("gald.cli.footprint:footprint", "draw what one place of a picture hears of the others"),
    "data": ("gald.cli.data:data", "look at a data set before training on it"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``gald COMMAND ...``; a user's mistake ends in one sentence and exit code 2."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        run(list(arguments))
    except UserError as error:
        print(f"gald: {sentence(error)}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("gald: interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:
        raise SystemExit(0) from None


def run(arguments: list[str]) -> None:
    """Find the command and hand it the rest."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(overview())
        return
    if arguments[0] in ("-V", "--version"):
        print(f"gald {__version__}")
        return
    place, _ = lookup(COMMANDS, arguments[0], "command")
    function: Callable[..., None] = resolve_name(place)
    rest = arguments[1:]
    with_defaults = getattr(import_module(function.__module__), "with_defaults", None)
    if with_defaults is not None:  # some of its words say what its flags and their defaults are
        function, rest = with_defaults(rest)

    import tyro

    from gald.cli.options import FlagError, registry

    try:
        tyro.cli(function, prog=f"gald {arguments[0]}", args=rest, registry=registry)
    except FlagError as error:
        raise UserError(str(error)) from None


def overview() -> str:
    """What ``gald --help`` prints."""
    lines = [
        "usage: gald COMMAND ...",
        "",
        "Segmentation and detection with GALD: global aggregation, then local distribution.",
        "",
    ]
    lines += [f"  {name:<10} {what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join([*lines, "", "gald COMMAND --help says more."])
