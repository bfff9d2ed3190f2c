"""Names of classes that may be one name, spelt in two ways. Standard library only.

Where nobody lists the classes they are the names that annotations use, and a slip of somebody's hand makes a class.
"""

import re
from collections.abc import Mapping
from difflib import SequenceMatcher

RARE = 0.05  # a class with at most this share of the objects of another that is spelt alike may be a mistake
ALIKE = 0.65  # from which similarity of their names on
SAME = 0.85  # from here on it may be one however many objects it has, as long as the other has more


def misspelt(counts: Mapping[str, int]) -> dict[str, str]:
    """Return for each name that may be a mistake the more frequent one that may be meant, the most similar."""
    found: dict[str, str] = {}
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    for place, name in enumerate(ranked):
        meant = [
            (similarity(name, other), other)
            for other in ranked[:place]
            if _is_nearly(name, other) or (counts[name] <= RARE * counts[other] and similarity(name, other) >= ALIKE)
        ]
        if meant:
            found[name] = max(meant)[1]
    return found


def similarity(one: str, other: str) -> float:
    """From 0 to 1, whatever the case."""
    return SequenceMatcher(None, one.casefold(), other.casefold()).ratio()


def _is_nearly(one: str, other: str) -> bool:
    """Whether names differ in case, blanks, signs, a plural or a letter; not in what ``without`` adds to ``with``."""
    short, long = sorted((_letters(one), _letters(other)), key=len)
    if long.startswith(short) and long.removeprefix(short) in ("", "s", "es"):
        return True
    if re.findall(r"\d+", short) != re.findall(r"\d+", long):  # lane 1 and lane 2
        return False
    return len(long) - len(short) <= 1 and similarity(short, long) >= SAME


def _letters(name: str) -> str:
    """Without blanks and signs, in lower case."""
    return re.sub(r"[\W_]+", "", name.casefold())
