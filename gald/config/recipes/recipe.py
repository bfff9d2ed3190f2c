"""What a recipe is."""

from dataclasses import dataclass

from gald.config.settings import RunConfig


@dataclass(frozen=True)
class Recipe:
    """A named run. Called, it gives its settings: ``RECIPES["camvid_lite0"]()``."""

    settings: RunConfig
    about: str
    """What it reaches, and where that was run, in words. The first line can stand alone."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "about", "\n".join(line.strip() for line in self.about.splitlines()))

    @property
    def summary(self) -> str:
        """The first line of what it is about."""
        return self.about.partition("\n")[0]

    def __call__(self) -> RunConfig:
        return self.settings
