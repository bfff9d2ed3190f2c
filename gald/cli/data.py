"""``gald data NAME ROOT``: look at a data set before training on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from rich.console import Console
    from rich.table import Table

    from gald.data.checks.segmentation import Problem

SHOWN = 3  # problems of each kind on the screen; all of them are in the file


def data(
    name: Annotated[Positional[str], arg(metavar="NAME")],
    root: Annotated[Positional[Path | None], arg(metavar="ROOT")] = None,
    split: str | None = None,
    out: Path = Path("gald-data"),
    samples: int = 12,
) -> None:
    """Check a data set before training: sizes, labels or boxes, classes, faulty files, and a sheet of pictures.

    Reads every file of every split, writes contact_sheet.png and, where something is wrong, problems.txt. The exit code
    is 1 if there are problems.

    Args:
        name: ade20k, camvid, camvid32, camvid_original11, cityscapes, coco_stuff10k, coco_stuff164k, folder,
            mapillary, mapillary19, mapillary_v2, pascal_context59, pascal_context60, synthetic or voc2012; with boxes
            coco, coco_folder, shapes, voc0712 or voc_folder.
        root: The data set's folder (none for synthetic and shapes, which are drawn).
        split: Look at this split only.
        out: Folder for what is written.
        samples: Pictures on the contact sheet.

    """
    from gald.images.io import write_image
    from gald.support.errors import UserError
    from gald.support.files import write_whole
    from gald.support.tables import console

    if samples < 0:
        raise UserError(f"samples is {samples}; it must be 0 or more (0 draws no sheet)")
    screen = console(200)
    look = _look(name)
    surveys, problems = _surveys(look, name, root, split)
    screen.print(_table(look, surveys, plain=not screen.is_terminal))
    problems |= {each.split: each.problems for each in surveys if each.problems}
    if absent := look.never_seen(surveys):
        problems["all splits"] = absent
    sheet = look.contact_sheet(surveys, samples)
    if sheet is not None:
        write_image(sheet, out / "contact_sheet.png")
        screen.print(f"pictures with what is known of them: {out / 'contact_sheet.png'}", markup=False, highlight=False)
    if not problems:
        (out / "problems.txt").unlink(missing_ok=True)  # of an earlier look
        screen.print("no problems found")
        return
    lines = [f"{place}: {problem.sentence}\n" for place, found in problems.items() for problem in found]
    write_whole(out / "problems.txt", "".join(lines).encode())
    _report(screen, problems, out / "problems.txt")
    raise SystemExit(1)


def _look(name: str) -> ModuleType:
    """The module that surveys this kind of data set; the functions of both are called alike."""
    from gald.data.checks import detection, segmentation
    from gald.data.registry import DATASETS
    from gald.support.errors import lookup

    return detection if lookup(DATASETS, name, "data set").kind == "detection" else segmentation


def _surveys(
    look: ModuleType, name: str, root: Path | None, split: str | None
) -> tuple[list[Any], dict[str, list[Problem]]]:
    """Read the splits; what keeps a whole split from opening is a problem, and an error if no split opens."""
    from functools import partial

    from gald.data.checks.segmentation import Problem
    from gald.data.files import MissingFilesError
    from gald.data.registry import DATASETS
    from gald.support.errors import UserError
    from gald.support.progress import track

    info = DATASETS[name]
    surveys: list[Any] = []
    problems: dict[str, list[Problem]] = {}
    last: UserError | None = None
    for each in [split] if split else info.splits(root) or ["train"]:
        lonely: tuple[str, ...] = ()
        try:
            content: Any = info.load(root, each)
        except MissingFilesError as error:
            content, lonely = error.rest, error.missing
        except UserError as error:
            problems[each] = [Problem("splits that cannot be opened", str(error))]
            last = error
            continue
        progress = partial(track, what=f"reading {each}", total=len(content))
        surveys.append(look.survey(each, content, lonely, progress))
    if last is not None and not surveys:
        raise last
    return surveys, problems


def _table(look: ModuleType, surveys: list[Any], plain: bool) -> Table:
    """One table: a column a split; rows for the pictures, then for every label value or class."""
    from rich import box
    from rich.table import Table

    table = Table(*look.HEAD, box=None if plain else box.SIMPLE_HEAD, title=look.TITLE)
    for each in surveys:
        table.add_column(each.split, justify="right")
    for row in look.rows(surveys):
        table.add_row(*row) if row else table.add_section()
    return table


def _report(console: Console, problems: dict[str, list[Problem]], file: Path) -> None:
    for place, found in problems.items():
        for kind in dict.fromkeys(problem.kind for problem in found):
            sentences = [problem.sentence for problem in found if problem.kind == kind]
            console.print(f"{place}: {len(sentences)} {kind}", markup=False, highlight=False, style="bold red")
            more = ["..."] if len(sentences) > SHOWN else []
            for line in [*sentences[:SHOWN], *more]:
                console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
    total = sum(map(len, problems.values()))
    console.print(f"{total} problem{'s' * (total > 1)}, listed in {file}", markup=False, highlight=False)
