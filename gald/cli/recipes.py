"""The recipes as a table: what ``gald train`` shows where none was named."""

from __future__ import annotations

from rich.table import Table

from gald.config.recipes import RECIPES
from gald.support.tables import console


def show_recipes() -> None:
    """Print a line for each recipe: its name, its data set, and what it is."""
    sheet = Table("recipe", "data set", "what it is")
    for name, recipe in RECIPES.items():
        sheet.add_row(name, recipe.settings.data.name, recipe.summary)
    console(180).print(sheet)
