"""Numbers that any choice of pictures has: counts by picture, the scores of their sums, and paired bootstraps."""
