"""Label maps in MATLAB's .mat files, of versions 4 to 7.2 (7.3 is HDF5, which no published label map here uses)."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from scipy.io import loadmat
from torch import Tensor

from gald.support.errors import UserError


def read_mat(path: Path, *names: str) -> dict[str, Any]:
    """The variables of these names that a file holds; raises `UserError` where it cannot be read."""
    try:
        return dict(loadmat(BytesIO(path.read_bytes()), variable_names=names))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except NotImplementedError:
        raise UserError(
            f"label {path} is a MATLAB file of version 7.3 (HDF5), the published labels are older ones: use those, "
            "or save it with MATLAB's save(..., '-v7')"
        ) from None
    except Exception as error:  # scipy's reader raises a dozen kinds at what is cut off or was never a .mat
        raise UserError(f"cannot read the MATLAB file {path}: {str(error) or type(error).__name__}") from None


def label_map(content: dict[str, Any], name: str, path: Path, most: int) -> Int64[Tensor, "h w"]:
    """The label map ``name`` of what `read_mat` read from ``path``; a value outside 0 to ``most`` raises."""
    if name not in content:
        raise UserError(f"label {path} holds no {name}: is it of another data set, or of another version of this one?")
    values = np.asarray(content[name])
    whole = values.ndim == 2 and (values.dtype.kind in "ui" or (values.dtype.kind == "f" and (values % 1 == 0).all()))
    if not whole:
        raise UserError(
            f"{name} in label {path} should be a map of whole numbers (height, width), "
            f"it is {values.dtype} of shape {values.shape}"
        )
    wrong = np.argwhere((values < 0) | (values > most))
    if len(wrong):
        y, x = wrong[0].tolist()
        raise UserError(f"label {path} has the value {int(values[y, x])} at (x, y) = ({x}, {y}), {name} goes to {most}")
    return torch.from_numpy(values.astype(np.int64))
