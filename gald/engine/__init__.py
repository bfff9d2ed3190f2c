"""Running networks: training, evaluation, inference, the files they leave. May import `models`, `data` and below."""
