"""What every group of settings can do: refuse a value. Standard library only."""

from dataclasses import dataclass
from typing import ClassVar

from gald.support.errors import UserError


class SettingError(UserError):
    """A setting that can't work: its name, and what is wrong with its value."""

    def __init__(self, setting: str, wrong: str) -> None:
        super().__init__(f"{setting} {wrong}")
        self.setting, self.wrong = setting, wrong


@dataclass(frozen=True)
class Settings:
    """What all groups of settings can do: refuse a value."""

    prefix: ClassVar[str] = ""  # of the group, in a setting's full name

    def require(self, name: str, right: bool, rule: str) -> None:
        """Raise `SettingError` with the setting's value and the rule, unless it is right."""
        if not right:
            value = getattr(self, name)
            shown = " ".join(map(str, value)) if isinstance(value, tuple) and value else value  # as it is typed
            raise SettingError(f"{self.prefix}{name}", f"is {shown}; {rule}")

    def require_at_least(self, least: int, *names: str) -> None:
        """Raise `SettingError` for the first of the settings that is below ``least``."""
        rule = f"it must be {least} or more" if least == 0 else f"it must be at least {least}"
        for name in names:
            self.require(name, getattr(self, name) >= least, rule)
