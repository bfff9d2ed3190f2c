"""Evidence about networks: comparing, studying, profiling, explaining. May import all but `cli`, `web` and `deploy`."""
