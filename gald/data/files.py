"""Finding the files of a data set; what is missing is named with its place and where it is to be had."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from torch.utils.data import Dataset

from gald.support.errors import UserError, lookup
from gald.support.files import PICTURES

DatasetT = TypeVar("DatasetT", bound=Dataset[Any])


@dataclass(frozen=True)
class SampleFiles:
    """A picture and the file of its label map or its annotation.

    ``name`` is unique within the split and has no ending, ``id`` is the data set's own number where it has one.
    """

    name: str
    image: Path
    label: Path
    id: int = 0


class MissingFilesError(UserError):
    """Files that are missing: ``missing`` holds one sentence on each, ``rest`` is the data set without them."""

    def __init__(self, sentence: str, rest: Dataset[Any], missing: Sequence[str]) -> None:
        super().__init__(sentence)
        self.rest = rest
        self.missing = tuple(missing)


@dataclass(frozen=True)
class FoundFiles:
    """The samples whose files are all there; a sentence on each other file, and one on all of them."""

    samples: list[SampleFiles]
    missing: list[str]
    summary: str

    def require_all(self, dataset: DatasetT) -> DatasetT:
        """The data set of these samples; `MissingFilesError` where others miss a file."""
        if self.missing:
            raise MissingFilesError(self.summary, dataset, self.missing)
        return dataset


def pair_by_name(images: Mapping[str, Path], labels: Mapping[str, Path]) -> FoundFiles:
    """Pictures and label maps of equal name, sorted by name."""
    samples = [SampleFiles(name, images[name], labels[name]) for name in sorted(images.keys() & labels.keys())]
    no_label = [f"{images[name]} has no label" for name in sorted(images.keys() - labels.keys())]
    no_image = [f"label {labels[name]} has no picture" for name in sorted(labels.keys() - images.keys())]
    alone = no_label + no_image
    counts = f"{len(no_label)} of {len(images)} pictures have no label, {len(no_image)} labels have no picture"
    first = "; ".join(alone[:3]) + ("; ..." if len(alone) > 3 else "")
    return FoundFiles(samples, alone, f"{counts}: {first}; add the missing files or move these away")


def require_files(wanted: Sequence[SampleFiles], how: Callable[[Path], str], listed_in: str = "") -> FoundFiles:
    """The samples whose files exist; ``how(path)`` says how to get one, ``listed_in`` what names them."""
    paths = list(dict.fromkeys(path for sample in wanted for path in (sample.image, sample.label)))
    missing = [path for path in paths if not _is_file(path)]
    gone = set(missing)
    samples = [sample for sample in wanted if gone.isdisjoint((sample.image, sample.label))]
    named = f" that {listed_in} names" if listed_in else ""
    first = f", the first is {missing[0]}: {how(missing[0])}" if missing else ""
    summary = f"{len(missing)} of {len(paths)} files{named} are missing{first}"
    return FoundFiles(samples, [f"{path} is missing" for path in missing], summary)


def _is_file(path: Path) -> bool:
    """Whether there is such a file; a name that is longer than any file's is of none."""
    try:
        return path.is_file()
    except OSError:
        return False


def data_folder(root: Path, *archives: str) -> Path:
    """``root``, or the folder in it that an archive unpacks to; raises where ``root`` is no folder."""
    if not root.is_dir():
        raise UserError(f"the data folder {root} {'is a file' if root.exists() else 'does not exist'}")
    return next((root / name for name in archives if (root / name).is_dir()), root)


def find_one(root: Path, places: Sequence[str], source: str) -> Path:
    """The first of several places below ``root`` that exists; ``source`` tells how to get what is missing."""
    found = next((root / place for place in places if (root / place).exists()), None)
    if found is None:
        raise UserError(f"{root} has no {' and no '.join(places)}: {source}")
    return found


def find_files(folder: Path, pattern: str) -> list[Path]:
    """The files below ``folder`` that fit, sorted; without the ``._NAME`` twins that some archivers leave behind."""
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))


def find_pictures(folder: Path) -> dict[str, Path]:
    """Map name (without ending) to path for the pictures directly in a folder.

    Raises `UserError` where the folder is missing, is a file, holds no picture, or holds one name twice.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} {'is a file, not a folder' if folder.exists() else 'does not exist'}")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in PICTURES or path.name.startswith("."):
            continue
        if path.stem in found:
            raise UserError(f"{folder} holds both {found[path.stem].name} and {path.name}: keep one of them")
        found[path.stem] = path
    if not found:
        raise UserError(f"{folder} holds no pictures (looked for {', '.join(PICTURES)})")
    return found


def split_parts(split: str, names: Iterable[str]) -> tuple[str, ...]:
    """The parts that a split is the sum of: itself, or train and val for ``trainval``."""
    return lookup({name: (name,) for name in names} | {"trainval": ("train", "val")}, split, "split")


def read_lines(file: Path) -> list[str]:
    """The lines of a text file, without empty ones."""
    try:
        return [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {file}: {error}") from None


def read_list(file: Path, how: str = "") -> list[str]:
    """The lines of a list of pictures; ``how`` says what to do where it is missing or empty."""
    hint = f": {how}" if how else ""
    if not file.is_file():
        raise UserError(f"{file} does not exist{hint}")
    lines = read_lines(file)
    if not lines:
        raise UserError(f"{file} lists no pictures{hint}")
    return lines
