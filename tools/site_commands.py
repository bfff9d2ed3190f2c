"""A hook of mkdocs that warns of commands in the pages' shell blocks that don't exist, or not with these flags.

`mkdocs build --strict` stops at a warning. The commands are not run; their ``--help`` says what they take.
"""

from __future__ import annotations

import io
import logging
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from functools import cache
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the gald of this checkout, installed or not

from gald.cli.main import COMMANDS, main

LOG = logging.getLogger("mkdocs.hooks.commands")
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FLAG = re.compile(r"(?<![\w-])--[a-z][\w.-]*\w")


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> None:
    """Warn of each command that is wrong."""
    for words in commands(markdown):
        if words[0] not in {*COMMANDS, "--help", "--version"}:
            LOG.warning(f"Doc file '{page.file.src_uri}' has a command that isn't there: gald {words[0]}")
            continue
        recipe = words[1:2] if words[0] == "train" and not words[1].startswith("-") else []
        unknown = set(FLAG.findall(" ".join(words))) - flags(*words[:1], *recipe)
        if unknown:
            LOG.warning(f"Doc file '{page.file.src_uri}' has unknown flags of gald {words[0]}: {', '.join(unknown)}")


def commands(markdown: str) -> Iterator[list[str]]:
    """The arguments of every ``gald`` in the shell blocks, also behind ``&&``, srun and torchrun."""
    for block in SHELL.findall(markdown):
        for part in re.split(r"&&|\||\n", block.replace("\\\n", " ")):
            words = shlex.split(part, comments=True)
            places = [place for place, word in enumerate(words) if Path(word).name in ("gald", "gald.cli")]
            if places and words[places[0] + 1 :]:
                yield words[places[0] + 1 :]


@cache
def flags(*arguments: str) -> set[str]:
    """What ``gald COMMAND [RECIPE] --help`` lists."""
    text = io.StringIO()
    with redirect_stdout(text), suppress(SystemExit):
        main([*arguments, "--help"])
    return {*FLAG.findall(text.getvalue()), "--help"}
