"""The recipes as a table: what ``gald train`` shows where none was named."""

from __future__ import annotations

from rich.table import Table

from gald.config.recipes import RECIPES
from gald.support.tables import console


def show_recipes() -> None:
    """Print a line for each recipe: its name, its data set, and what it is."""
    sheet = Table(box=None, pad_edge=False)
    data_sets = [recipe.settings.data.name for recipe in RECIPES.values()]
    sheet.add_column("recipe", no_wrap=True, min_width=max(map(len, RECIPES)))  # a name is never cut
    sheet.add_column("data set", no_wrap=True, min_width=max(map(len, data_sets)))
    sheet.add_column("what it is")
    for name, recipe in RECIPES.items():
        sheet.add_row(name, recipe.settings.data.name, recipe.summary)
    console(180).print(sheet)
