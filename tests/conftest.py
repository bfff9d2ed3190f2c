"""Checks the shapes in the signatures while the tests run, and finds the data that only some machines have."""

from __future__ import annotations

from pathlib import Path

import pytest
from jaxtyping import install_import_hook

# Before anything of ours is imported: the hook wraps functions as their modules are loaded.
install_import_hook("gald", "beartype.beartype")

SHARED = Path(__file__).parents[1].parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and reference numbers beside the checkout; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared beside this checkout (real data and reference numbers)")
    return SHARED
