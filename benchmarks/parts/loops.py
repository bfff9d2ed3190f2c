"""What the metrics are compared with: the usual forms, a class at a time, in NumPy and SciPy."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

Labels = np.ndarray  # (H, W) integers
IGNORED = 255


def matrix_by_cells(prediction: Labels, truth: Labels, classes: int) -> np.ndarray:
    """The confusion matrix as it reads: a count for each pair of classes."""
    matrix = np.zeros((classes, classes), np.int64)
    for true in range(classes):
        mask = truth == true
        for guessed in range(classes):
            matrix[true, guessed] = np.count_nonzero(mask & (prediction == guessed))
    return matrix


def matrix_by_histograms(prediction: Labels, truth: Labels, classes: int) -> np.ndarray:
    """A mask of each true class, and the histogram of what was predicted there."""
    edges = np.arange(classes + 1)
    return np.stack([np.histogram(prediction[truth == each], edges)[0] for each in range(classes)])


def matrix_by_index(prediction: Labels, truth: Labels, classes: int) -> np.ndarray:
    """One bincount of truth * K + prediction at the valid pixels, copied cell by cell, as many scripts do."""
    valid = truth != IGNORED
    counts = np.bincount(truth[valid].astype(np.int32) * classes + prediction[valid])
    matrix = np.zeros((classes, classes))
    for true in range(classes):
        for guessed in range(classes):
            place = true * classes + guessed
            if place < len(counts):
                matrix[true, guessed] = counts[place]
    return matrix


def ious_by_masks(prediction: Labels, truth: Labels, classes: int) -> list[float]:
    """Intersection and union of two masks a class, without a matrix."""
    valid, found = truth != IGNORED, []
    for each in range(classes):
        ours, theirs = (prediction == each) & valid, truth == each
        union = np.count_nonzero(ours | theirs)
        found.append(np.count_nonzero(ours & theirs) / union if union else math.nan)
    return found


def boundary_ious(prediction: Labels, truth: Labels, classes: int, width: int, steps: bool) -> list[float]:
    """Boundary IoU a class at a time: by ``width`` erosions, as published, or by one distance transform."""
    valid, found = truth != IGNORED, []
    for each in range(classes):
        regions = []
        for labels in (prediction, truth):
            mask = (labels == each) & valid
            solid = mask | ~valid
            if steps:
                inner = ndimage.binary_erosion(solid, np.ones((3, 3)), iterations=width)
            else:
                inner = ndimage.distance_transform_cdt(np.pad(solid, 1), "chessboard")[1:-1, 1:-1] > width
            regions.append(mask & ~inner)
        union = np.count_nonzero(regions[0] | regions[1])
        found.append(np.count_nonzero(regions[0] & regions[1]) / union if union else math.nan)
    return found


def boundary_fs(prediction: Labels, truth: Labels, classes: int, tolerances: Sequence[int]) -> list[list[float]]:
    """Contour F-scores a class at a time, one distance transform a contour for all tolerances."""
    valid = truth != IGNORED
    found: list[list[float]] = [[] for _ in tolerances]
    for each in range(classes):
        ours, theirs = (
            (labels == each) & valid & ndimage.binary_dilation((labels != each) & valid, np.ones((3, 3)))
            for labels in (prediction, truth)
        )
        far = [ndimage.distance_transform_edt(~side) if side.any() else np.full(side.shape, np.inf)
               for side in (theirs, ours)]  # fmt: skip
        for place, tolerance in enumerate(tolerances):
            shares = [(away[side] <= tolerance).mean() if side.any() else 0.0
                      for away, side in zip(far, (ours, theirs), strict=True)]  # fmt: skip
            score = 2 * shares[0] * shares[1] / sum(shares) if sum(shares) else 0.0
            found[place].append(score if ours.any() or theirs.any() else math.nan)
    return found
