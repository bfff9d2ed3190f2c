"""Networks around the block. May import `block` and below."""
