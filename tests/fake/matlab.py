"""MATLAB files: those that scipy writes, and the head of one of version 7.3, which is HDF5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scipy.io import savemat


def mat(path: Path, **content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, content, do_compression=True)
    return path


def mat73(path: Path) -> Path:
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    path.write_bytes(head.ljust(512, b"\x00") + b"\x89HDF\r\n\x1a\n" + bytes(2048))
    return path
