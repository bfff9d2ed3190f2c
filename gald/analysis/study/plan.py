"""What a study's folder was begun with, so that nothing else is added to it."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gald.analysis.study.study import Study
from gald.config.difference import RESUMABLE, changed, differences
from gald.config.serialization import from_json, to_json
from gald.config.settings import SegmentationConfig
from gald.data.segmentation import SegmentationDataset
from gald.support.errors import UserError
from gald.support.files import write_whole

# how often a row is validated decides which of its checkpoints is chosen
MAY_DIFFER = RESUMABLE - {"val_every"}
NAME, START = "study", "backbone begins with"  # keys of plan.json


def keep_plan(out: Path, name: str, study: Study, splits: Mapping[str, SegmentationDataset]) -> None:
    """Write plan.json, or hold the study against the one that is there.

    Raises:
        UserError: the folder holds another study, or one of other settings, first weights or pictures.
    """
    plan = out / "plan.json"
    now = _plan(name, study, splits)
    if plan.is_file():
        different = _different(_read(plan), now, study, plan)
        if different:
            raise UserError(
                f"{out} holds a study by another protocol ({'; '.join(different[:3])}); go on with that, or choose "
                "another --out"
            )
    write_whole(plan, json.dumps(now, indent=2).encode())


def _plan(name: str, study: Study, splits: Mapping[str, SegmentationDataset]) -> dict[str, Any]:
    return {
        NAME: name,
        START: _start(study.rows[study.reference]),
        "pictures": {split: _pictures(pairs) for split, pairs in splits.items()},
        "rows": {row: json.loads(to_json(settings)) for row, settings in study.rows.items()},
    }


def _different(before: dict[str, Any], now: dict[str, Any], study: Study, plan: Path) -> list[str]:
    """In what the study is not the one of the plan. New rows may come behind the old ones.

    (Only there: what a row begins with hangs on the rows before it.)
    """
    found = [str(difference) for difference in changed(before, {key: now[key] for key in (NAME, START)})]
    pictures = before.get("pictures", {})
    others = [split for split, content in now["pictures"].items() if pictures.get(split) != content]
    found += [f"the pictures of {split} are others" for split in others]
    rows = before.get("rows", {})
    if list(rows) != list(study.rows)[: len(rows)]:
        return [*found, f"the rows were {', '.join(rows)}"]
    for row, content in rows.items():
        planned = from_json(json.dumps(content), f"{plan}, row {row}")
        found += [f"{row}: {line}" for line in differences(planned, study.rows[row], ignored=MAY_DIFFER)]
    return found


def _start(row: SegmentationConfig) -> str:
    if row.model.weights is not None:
        return f"a file of SHA-256 {hashlib.sha256(row.model.weights.read_bytes()).hexdigest()[:16]}"
    return "timm's weights" if row.model.pretrained else "random weights"


def _pictures(pairs: SegmentationDataset) -> str:
    """How many there are, and a hash of their names and of the first one with its labels (all would take minutes)."""
    content = hashlib.sha256("\n".join(pairs.name(i) for i in range(len(pairs))).encode())
    content.update(pairs.image(0).numpy().tobytes() + pairs.mask(0).numpy().tobytes())
    return f"{len(pairs)}, {content.hexdigest()[:16]}"


def _read(plan: Path) -> dict[str, Any]:
    try:
        content = json.loads(plan.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"can't read {plan} ({error}); choose another --out") from None
    if not isinstance(content, dict):
        raise UserError(f"{plan} is not the plan of a study; choose another --out")
    return content
