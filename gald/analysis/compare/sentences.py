"""What the numbers mean, in plain words."""

from gald.analysis.compare.comparison import Comparison
from gald.analysis.statistics.bootstrap import FEWEST, Estimate
from gald.support.tables import percent


def verdict(number: Estimate, what: str) -> str:
    """A sentence on a difference and its interval."""
    if number.difference != number.difference:
        return f"{what}: nothing in these pictures can be measured."
    if number.low != number.low:
        return f"{what}: {points(number.difference)} points; too few pictures for an interval."
    said = f"{what}: {points(number.difference)} points for B, 95 % interval {interval(number)}"
    if number.undecided:
        return f"{said}. The interval contains 0: these pictures don't tell A from B."
    better = "B" if number.difference > 0 else "A"
    return f"{said}. The interval leaves 0 out: {better} is better on pictures like these."


def caution(result: Comparison) -> str:
    """What no interval of this report says."""
    if result.same:
        return "A and B give the same class on every labelled pixel: there is no difference to report."
    if result.blocks < FEWEST:
        return "There are too few pictures for intervals, so whether a difference would stay on others can't be said."
    return (
        "The intervals say how far a difference hangs on the choice of pictures. They say nothing about another "
        "training: a second run of A, with another seed, may differ from A by as much. Of twenty intervals without any "
        "true difference, one leaves 0 out by chance."
    )


def drawn(result: Comparison) -> str:
    """What the bootstrap drew."""
    count = len(result.pictures)
    if result.blocks == count:
        return f"{count} pictures"
    return f"{result.blocks} runs of about {round(count / result.blocks)} neighbouring pictures of a video"


def agreement(result: Comparison) -> str:
    """On how many pixels they differ, and who is right there."""
    share = result.agreement
    return (
        f"A and B differ on {percent(share['differ'], 2)} % of the labelled pixels. "
        f"Only A is right on {percent(share['only_a'], 2)} %, only B on {percent(share['only_b'], 2)} %, "
        f"both on {percent(share['both'])} %."
    )


def points(value: float) -> str:
    """A difference in percentage points with its sign, or n/a; a zero has no sign."""
    if value != value:
        return "n/a"
    text = f"{100 * value:+.2f}"
    return "0.00" if float(text) == 0 else text.replace("-", "\u2212")


def interval(number: Estimate) -> str:
    """``+0.10 to +0.52``, or n/a."""
    return "n/a" if number.low != number.low else f"{points(number.low)} to {points(number.high)}"
