"""ADE20K, the scene parsing challenge: PNG of 1 to 150, called like the pictures, in one zip.

From the challenge's development kit (github.com/CSAILVision/sceneparsing): for ``ADE_test_00000001.jpg`` upload
``ADE_test_00000001.png``. 0 is "other objects", which is never scored and so never predicted.
"""

from __future__ import annotations

from functools import partial

from gald.data.datasets.ade20k import ade20k
from gald.engine.submission import flat_zip
from gald.engine.submission.server import Server

SERVER = Server(
    splits=("test", "val"),
    pairs=ade20k,
    classes=tuple,
    pack=partial(flat_zip.pack, ending=".png"),
    check=partial(flat_zip.check, ending=".png"),
    page="http://sceneparsing.csail.mit.edu/eval/",
)
