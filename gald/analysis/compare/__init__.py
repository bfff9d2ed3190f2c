"""Two checkpoints or folders of predictions, compared picture by picture on one data set.

- `compare`: the scores of both, their differences, and a bootstrap interval for each
- `Predictions`, `folder_predictions`: what is compared
- `gallery`, `Report`: the pictures that gained and lost most, and the page of HTML
"""

from gald.analysis.compare.comparison import Comparison, compare
from gald.analysis.compare.gallery import Example, gallery
from gald.analysis.compare.inputs import Inputs
from gald.analysis.compare.predictions import Predictions, folder_predictions
from gald.analysis.compare.report import Report

__all__ = ["Comparison", "Example", "Inputs", "Predictions", "Report", "compare", "folder_predictions", "gallery"]
