"""Pictures: reading, writing and drawing them. May import `support`."""
