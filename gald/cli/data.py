"""``gald data NAME ROOT``: look at a data set before training on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from gald.cli.options import detection_names, segmentation_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from gald.data.checks.survey import Finding

SHOWN = 3  # findings of each kind on the screen; all of them are in the file


def data(
    name: Annotated[
        Positional[str], arg(metavar="NAME", help=f"{segmentation_names()}; with boxes {detection_names()}.")
    ],
    root: Annotated[Positional[Path | None], arg(metavar="ROOT")] = None,
    split: str | None = None,
    out: Path = Path("gald-data"),
    samples: int = 12,
) -> None:
    """Check a data set before training: sizes, labels or boxes, classes, faulty files, and a sheet of pictures.

    Reads every file of every split, writes contact_sheet.png and, where something is wrong, problems.txt. The exit code
    is 1 if there are problems. What is worth knowing and harmless goes into notes.txt.

    Args:
        name: which one.
        root: The data set's folder (none for one that is drawn).
        split: Look at this split only.
        out: Folder for what is written.
        samples: Pictures on the contact sheet.

    """
    from gald.data.checks.report import inspect
    from gald.data.registry import DATASETS
    from gald.images.io import write_image
    from gald.support.errors import UserError, lookup
    from gald.support.files import check_writable
    from gald.support.tables import console

    if samples < 0:
        raise UserError(f"--samples is {samples}; it must be 0 or more (0 draws no sheet)")
    if root is None and not lookup(DATASETS, name, "data set").drawn:
        raise UserError(f"the data set {name!r} needs the folder it lies in: gald data {name} ROOT")
    check_writable(out / "contact_sheet.png")  # before every file is read
    screen = console(200)
    report = inspect(name, root, split)
    screen.print(report.table(plain=not screen.is_terminal))
    sheet = report.contact_sheet(samples)
    if sheet is not None:
        write_image(sheet, out / "contact_sheet.png")
        screen.print(f"pictures with what is known of them: {out / 'contact_sheet.png'}", markup=False, highlight=False)
    notes = [finding for finding in report.findings if finding.harmless]
    problems = [finding for finding in report.findings if not finding.harmless]
    show(screen, notes, out / "notes.txt", "note", style="bold")
    show(screen, problems, out / "problems.txt", "problem", style="bold red")
    if problems:
        raise SystemExit(1)
    screen.print("no problems found")


def show(screen: Console, findings: Sequence[Finding], file: Path, word: str, style: str) -> None:
    """Print the first findings of each kind and write all of them to a file; an earlier file of none is removed."""
    from gald.support.files import write_whole

    if not findings:
        file.unlink(missing_ok=True)
        return
    write_whole(file, "".join(f"{finding.split}: {finding.sentence}\n" for finding in findings).encode())
    groups: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        groups.setdefault((finding.split, finding.kind), []).append(finding.sentence)
    for (split, kind), sentences in groups.items():
        screen.print(f"{split}: {len(sentences)} {kind}", markup=False, highlight=False, style=style)
        for line in [*sentences[:SHOWN], *["..."] * (len(sentences) > SHOWN)]:
            screen.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
    screen.print(f"{len(findings)} {word}{'s' * (len(findings) > 1)}, listed in {file}", markup=False, highlight=False)
