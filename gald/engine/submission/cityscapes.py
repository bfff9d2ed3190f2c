"""Cityscapes, pixel-level semantic labelling: PNG of label ids (7 road ... 33 bicycle), not of train ids.

The official script takes ``CITY_SEQUENCE_FRAME*.png`` for a picture, exactly one, anywhere in the archive
(cityscapesScripts, evalPixelLevelSemanticLabeling.py), and refuses another size than the picture's.
"""

from __future__ import annotations

from functools import partial

from gald.data.datasets.cityscapes import cityscapes
from gald.engine.submission import flat_zip
from gald.engine.submission.server import Server

ENDING = "_pred_labelIds.png"

SERVER = Server(
    splits=("test", "val"),
    pairs=cityscapes,
    classes=tuple,  # the data set's own ids are the server's
    pack=partial(flat_zip.pack, ending=ENDING),
    check=partial(flat_zip.check, ending=ENDING),
    page="https://www.cityscapes-dataset.com/submit/",
    limit=100,
)
