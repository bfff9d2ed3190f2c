"""The one kind of error that is meant for people, and the sentence for a name that is not in a table."""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import TypeVar

T = TypeVar("T")


class UserError(ValueError):
    """A mistake that the user can mend: one sentence that says what, where and what to do.

    The command line prints the sentence and no traceback; everything else that is raised is a defect of ours.
    """


class Mistakes:
    """Gathers what the user got wrong, to tell all of it at once."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def attempt(self, action: Callable[[], T]) -> T | None:
        """What ``action`` returns, or None where it meets a mistake."""
        try:
            return action()
        except UserError as error:
            self.sentences.append(sentence(error))
            return None

    def tell(self) -> None:
        """Raise `UserError` if there were any."""
        if self.sentences:
            raise UserError("\nalso: ".join(dict.fromkeys(self.sentences)))


def nearest(name: str, names: Iterable[str]) -> str:
    """Return ``"; did you mean 'psp'?"`` for a near miss, or the list of what there is."""
    names = sorted(names)
    folded = {candidate.casefold(): candidate for candidate in names}  # "PSP" shares no letter with "psp"
    close = get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)
    if close:
        return "; did you mean " + " or ".join(repr(folded[match]) for match in close) + "?"
    shown = ", ".join(names[:30])
    return f"; there are {shown}" + (f" and {len(names) - 30} more" if len(names) > 30 else "")


def lookup(table: Mapping[str, T], name: str, kind: str) -> T:
    """Return ``table[name]``, or raise a `UserError` that names the nearest entries.

    ``kind`` is what the table holds, in the user's words: ``"aggregation"``, ``"recipe"``.
    """
    if not isinstance(name, str) or name not in table:
        raise UserError(f"unknown {kind} {name!r}{nearest(str(name), table)}")
    return table[name]


def sentence(error: UserError) -> str:
    """The error's own sentence, without the traceback that a loading process of torch wraps around it."""
    return str(error).rpartition("gald.support.errors.UserError: ")[2].strip()
