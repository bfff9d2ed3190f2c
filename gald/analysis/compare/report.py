"""The report: one HTML file with everything in it, no script, nothing fetched from anywhere."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gald.analysis.compare.charts import bars, curve, reach_of, whisker
from gald.analysis.compare.comparison import Comparison
from gald.analysis.compare.gallery import MAP_COLORS, Example
from gald.analysis.compare.inputs import Inputs
from gald.analysis.compare.predictions import Predictions
from gald.analysis.compare.sentences import agreement, caution, drawn, interval, points, verdict
from gald.analysis.statistics.bootstrap import LEVEL, RESAMPLES, SEED
from gald.data.labels import Label
from gald.images import svg
from gald.metrics.size import SIZES
from gald.support.files import write_json, write_whole
from gald.support.tables import percent

MAIN = {
    "miou": "mIoU",
    "pixel_accuracy": "pixel accuracy",
    "boundary_iou": "Boundary IoU",
    "boundary_f/3px": "boundary F, 3 px",
    "iou_small": "IoU of small objects",
    "iou_medium": "IoU of medium objects",
    "iou_large": "IoU of large objects",
}
BANDS = ("1px", "3px", "5px", "9px", "15px", "interior")
RARE = 0.02  # a class with less of the pixels is marked
TEMPLATES = Environment(
    loader=PackageLoader("gald.analysis.compare", "."),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)


@dataclass(frozen=True)
class Report:
    """A comparison, and what else its page tells."""

    result: Comparison
    inputs: Inputs
    gained: Sequence[Example]
    lost: Sequence[Example]
    command: str = ""
    """What makes it again."""
    versions: str = ""

    def html(self) -> str:
        """The whole page."""
        rules = ":root { color-scheme: light dark; " + " ".join(f"--{name}: ${name};" for name in svg.COLORS) + " }\n"
        style = svg.style(rules) + Path(__file__).with_name("report.css").read_text()
        return TEMPLATES.get_template("report.html").render(
            report=self,
            style=Markup(style),  # ours, as the drawings are
            **_numbers(self.result, self.inputs.dataset.labels),
            **_sentences(self.result),
            class_colors={label.name: label.color for label in self.inputs.dataset.labels} | {"no class": (0, 0, 0)},
            map_colors=MAP_COLORS,
            curve=_drawing(curve),
            bars=_drawing(bars),
            whisker=_drawing(whisker),
            reach_of=reach_of,
            percent=percent,
            points=points,
            interval=interval,
        )

    def as_json(self) -> dict[str, Any]:
        """The numbers, and what they are of."""
        differences = {name: {"a": str(a), "b": str(b)} for name, a, b in self.inputs.differences}
        return {
            "command": self.command,
            "versions": self.versions,
            **{letter: _side(predictions) for letter, predictions in (("a", self.inputs.a), ("b", self.inputs.b))},
            **self.inputs.facts,
            "settings_that_differ": differences,
            **self.result.as_json(),
            "gained_most": [example.name for example in self.gained],
            "lost_most": [example.name for example in self.lost],
        }

    def write(self, page: Path, numbers: Path) -> None:
        """Write the page and its numbers as JSON."""
        write_whole(page, self.html().encode())
        write_json(numbers, self.as_json(), indent=1)


def _side(predictions: Predictions) -> dict[str, Any]:
    return {"title": predictions.title, **predictions.facts, "notes": predictions.notes}


def _numbers(result: Comparison, labels: Sequence[Label]) -> dict[str, Any]:
    """What stands in the tables, by heading."""
    names = sorted((label.name for label in labels), key=lambda name: result.share[f"iou/{name}"])
    share = {name: result.share[f"iou/{name}"] for name in names}
    widths = {name: f"within {name[:-2]} px" if name.endswith("px") else name for name in BANDS}
    return {
        "main": {title: result.numbers[key] for key, title in MAIN.items()},
        "classes": {name: result.numbers[f"iou/{name}"] for name in names},
        "class_share": {name: percent(value, 2) for name, value in share.items()},
        "rare": {name for name, value in share.items() if value < RARE},
        "rare_below": RARE,
        "bands": [name.replace("px", " px") for name in BANDS],
        "band_iou": {title: result.numbers[f"band_iou/{name}"] for name, title in widths.items()},
        "band_share": {title: percent(result.share[f"band_iou/{name}"]) for name, title in widths.items()},
        "band_accuracy": {title: result.numbers[f"band_accuracy/{name}"] for name, title in widths.items()},
        "sizes": {name: result.numbers[f"iou_{name}"] for name in SIZES},
    }


def _sentences(result: Comparison) -> dict[str, Any]:
    said = [] if result.same else [verdict(result.numbers[key], MAIN[key]) for key in ("miou", "boundary_iou")]
    return {
        "verdicts": [*said, caution(result)],
        "agreement": agreement(result),
        "level": LEVEL,
        "resamples": RESAMPLES,
        "seed": SEED,
        "drawn": drawn(result),
    }


def _drawing(chart: Callable[..., str]) -> Callable[..., Markup]:
    """A chart as the template takes it: no text to escape."""
    return lambda *arguments: Markup(chart(*arguments))
