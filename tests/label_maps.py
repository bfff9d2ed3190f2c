"""Label maps to measure: written by hand, or drawn at random."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def maps(*rows):
    """One label map, (1, H, W), from its rows."""
    return torch.tensor([rows])


def blobs(seed, classes, height, width, cell=6, ignored=0.0):
    """Random areas of some pixels' size, (1, H, W), with about a share ``ignored`` of 255."""
    generator = torch.Generator().manual_seed(seed)
    field = torch.randn(1, classes, -(-height // cell), -(-width // cell), generator=generator)
    labels = F.interpolate(field, (height, width), mode="bicubic").argmax(1)
    hole = F.interpolate(torch.rand(1, 1, -(-height // 4), -(-width // 4), generator=generator), (height, width))[:, 0]
    return labels.masked_fill(hole < ignored, 255)


def pair(seed, classes, height, width, ignored=0.0, cell=6):
    """A truth and a prediction that is wrong by a shift and a coarse noise."""
    truth = blobs(seed, classes, height, width, cell, ignored)
    full = blobs(seed, classes, height, width, cell).roll((1, 2), (1, 2))
    noise = blobs(seed + 1000, classes, height, width)
    return torch.where(blobs(seed + 2000, 3, height, width) == 0, noise, full), truth
