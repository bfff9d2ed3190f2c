"""Data sets: what is read, checked, augmented and sampled. May import `images`, `config` and `support`."""
