"""VOC 2012's augmented labels, from VOC's own and SBD's: ``python examples/voc2012_with_sbd.py SBD VOC2012``.

SBD is the folder ``benchmark_RELEASE/dataset`` of its release, VOC2012 that of the devkit. SBD's own lists overlap with
VOC's ``val``, so the list is made anew, without it; where both have a label, VOC's is the better one.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from PIL import Image
from scipy.io import loadmat


def main(sbd: Path, voc: Path) -> None:
    """Write the folder SegmentationClassAug and the list trainaug.txt, once."""
    lists, labels = voc / "ImageSets" / "Segmentation", voc / "SegmentationClassAug"
    train, val = (set((lists / f"{split}.txt").read_text().split()) for split in ("train", "val"))
    added = {file.stem for file in (sbd / "cls").glob("*.mat")} - train - val
    labels.mkdir()
    for name in added:
        classes = loadmat(sbd / "cls" / f"{name}.mat")["GTcls"][0]["Segmentation"][0]
        Image.fromarray(classes).save(labels / f"{name}.png")
    for name in train:
        shutil.copy(voc / "SegmentationClass" / f"{name}.png", labels)
    (lists / "trainaug.txt").write_text("".join(f"{name}\n" for name in sorted(added | train)))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
