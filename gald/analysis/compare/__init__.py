"""Two checkpoints or folders of predictions, compared picture by picture on one data set.

- `compare`: the numbers of both, their differences, and a bootstrap interval for each
- `Side`, `folder_side`: what is compared
- `gallery`, `report`: the pictures that gained and lost most, and the page of HTML
"""

from __future__ import annotations

from gald.analysis.compare.gallery import Shown, gallery
from gald.analysis.compare.page import MAIN, About, report
from gald.analysis.compare.result import Comparison, compare
from gald.analysis.compare.sides import Side, check_labels, folder_side
from gald.analysis.statistics import Estimate

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
