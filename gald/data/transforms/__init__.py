"""Augmentation, from torchvision.transforms.v2."""
