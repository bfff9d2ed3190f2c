"""The block: global aggregation, then local distribution. May import `config` and `support`."""
