"""What a run is told: its settings, and the recipes that fill them. Standard library only; may import `support`."""
