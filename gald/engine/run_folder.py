"""The folder of a run: one run at a time, never written over by accident, resumed only as what it was."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from lightning_fabric import Fabric

from gald.config.difference import RESUMABLE, differences
from gald.config.settings import RunConfig
from gald.engine import checkpoint
from gald.support.distributed import on_rank_zero
from gald.support.errors import UserError


@contextmanager
def folder_lock(folder: Path, fabric: Fabric) -> Iterator[None]:
    """Make the folder and hold it; the lock goes with the process, so a killed run leaves none behind."""
    lock = on_rank_zero(fabric, lambda: _acquire(folder))
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def _acquire(folder: Path) -> FileLock:
    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"another run is writing into {folder}; choose another --out, or stop that run") from None
    except OSError as error:
        raise UserError(f"can't write into {folder}: {error.strerror}; choose another --out") from None
    return lock


def check_new(folder: Path) -> None:
    """Refuse to write over a run, and a folder that can't be made; nothing is made yet."""
    if (folder / "last.pt").is_file():
        raise UserError(f"{folder} holds a run already: go on with it by --resume, or choose another --out")
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    if not there.is_dir():
        raise UserError(f"can't write into {folder}: {there} is a file; choose another --out")
    if not os.access(there, os.W_OK):
        raise UserError(f"can't write into {folder}: {there} is read-only; choose another --out")


def check_resumable(before: RunConfig, now: RunConfig, file: Path) -> None:
    """Refuse settings that would make it another run than that of the ``file``."""
    different = differences(before, now, ignored=RESUMABLE)
    if different:
        shown = "; ".join(map(str, different[:4]))
        raise UserError(f"{file} was made with other settings ({shown}); use the same, or another --out")


def load_resumable(settings: RunConfig, folder: Path) -> checkpoint.Checkpoint:
    """The checkpoint to go on from; settings that would make it another run are refused."""
    path = folder / "last.pt"
    if not path.is_file():
        raise UserError(f"{folder} holds no last.pt to resume from; leave out --resume to begin a run there")
    saved = checkpoint.load(path)
    check_resumable(saved.config, settings, path)
    if saved.optimizer is None:
        raise UserError(f"{path} holds no optimizer state to resume from")
    return saved
