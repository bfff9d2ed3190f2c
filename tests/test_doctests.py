"""Runs the examples, written as ``>>>``, in the docstrings, the README and the pages of docs/."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [path for path in [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))] if ">>> " in path.read_text()]
MODULES = [path for path in sorted(ROOT.glob("gald/**/*.py")) if ">>> " in path.read_text()]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_examples_of_a_page(path: Path):
    text = path.read_text().replace("```", "")  # or the end of a block would be part of what is expected
    example = doctest.DocTestParser().get_doctest(text, {}, path.name, str(path), 0)
    assert not doctest.DocTestRunner().run(example).failed


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_examples_of_a_module(path: Path):
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    assert not doctest.testmod(importlib.import_module(name)).failed
