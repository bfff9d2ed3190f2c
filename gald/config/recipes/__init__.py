"""Named runs. A recipe holds the settings of a run and says what they reach, and whether that was run.

A new one is a line in the table of a file here; a new family of them is a file, and a line below.
"""

from gald.config.recipes import cityscapes, detection, scenes, small
from gald.config.recipes.recipe import Recipe

RECIPES: dict[str, Recipe] = {
    **small.SEGMENTATION,
    **cityscapes.RECIPES,
    **scenes.RECIPES,
    **small.DETECTION,
    **detection.RECIPES,
}

__all__ = ["RECIPES", "Recipe"]
