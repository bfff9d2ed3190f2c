"""Studies: the same training with one thing changed, several times over, so that the change can be judged.

A study is a function that returns a `Study` and says what it is for. A new one is such a function and a line in
`STUDIES`. Standard library only, so that ``gald study --help`` needs no torch.
"""

from collections.abc import Callable

from gald.analysis.study.camvid import camvid, camvid_full
from gald.analysis.study.study import Study
from gald.analysis.study.synthetic import synthetic

STUDIES: dict[str, Callable[[], Study]] = {
    "camvid": camvid,
    "camvid_full": camvid_full,
    "synthetic": synthetic,
}

__all__ = ["STUDIES", "Study"]
