"""Two checkpoints or folders of predictions, compared picture by picture on one data set.

- :func:`compare`: the numbers of both, their differences, and a bootstrap interval for each
- :class:`Side`, :func:`folder_side`: what is compared
- :func:`gallery`, :func:`report`: the pictures that gained and lost most, and the page of HTML
"""

from __future__ import annotations

from gald.comparison.gallery import Shown, gallery
from gald.comparison.page import MAIN, About, report
from gald.comparison.resampling import Estimate
from gald.comparison.result import Comparison, compare
from gald.comparison.sides import Side, check_labels, folder_side

__all__ = [
    "MAIN",
    "About",
    "Comparison",
    "Estimate",
    "Shown",
    "Side",
    "check_labels",
    "compare",
    "folder_side",
    "gallery",
    "report",
]
