"""Checks the shapes in the signatures while the tests run, and finds the data that only some machines have."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest
import torch
from jaxtyping import install_import_hook

if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)  # one core for each of the two processes

# Before anything of ours is imported: the hook wraps functions as their modules are loaded.
install_import_hook("gald", "beartype.beartype")

SHARED = Path(__file__).parents[1].parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and reference numbers beside the checkout; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared beside this checkout (real data and reference numbers)")
    return SHARED


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """The same first weights whatever ran before; another seed than those that tests set themselves."""
    torch.manual_seed(1234)


@pytest.fixture
def untyped() -> Iterator[None]:
    """No shape checks: dynamo doesn't trace isinstance(x, Float[...]), and a symbolic size is no int."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
