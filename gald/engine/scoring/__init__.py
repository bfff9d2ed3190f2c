"""Scores of a folder of predictions, whatever made them: label maps in the data set's own ids against its truth."""

from __future__ import annotations

from gald.engine.scoring.folder import prediction_files, score

__all__ = ["prediction_files", "score"]
