"""Scores of a folder of predictions, whatever made them: label maps in the data set's own ids against its truth."""
