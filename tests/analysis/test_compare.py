"""Comparing two segmentations: numbers worked by hand, and the page read as a browser would."""

from __future__ import annotations

import base64
import json
import math
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from fake.scored_cityscapes import save
from fake.streets import picture
from label_maps import blobs, pair
from PIL import Image

from gald.analysis.compare import Inputs, Predictions, Report, compare, folder_predictions, gallery
from gald.analysis.compare.charts import bars, curve, whisker
from gald.analysis.compare.comparison import agreement
from gald.analysis.compare.gallery import most_changed, right_map
from gald.analysis.compare.sentences import interval, points, verdict
from gald.analysis.statistics.bootstrap import Estimate
from gald.cli import main as cli
from gald.config.difference import Difference
from gald.config.network import SegmenterConfig
from gald.config.settings import SegmentationConfig, SegmentationDataConfig
from gald.data.datasets.camvid import LABELS
from gald.data.labels import Label
from gald.data.registry import load_segmentation
from gald.engine import checkpoint
from gald.engine.scoring.folder import score
from gald.models.segmenter import Segmenter
from gald.support.errors import UserError

# ---------------------------------------------------------------------------------------------- numbers of two sides

TRUTH = [[0, 0, 0, 3], [0, 0, 11, 3]], [[0, 0, 0, 0], [3, 3, 3, 3]]
GUESS_A = [[0, 0, 0, 3], [0, 3, 3, 3]], [[0, 0, 0, 0], [3, 3, 0, 0]]
GUESS_B = [[0, 0, 3, 3], [0, 0, 0, 3]], [[0, 0, 0, 3], [3, 3, 3, 3]]
NAMES = "0001TP_000001", "0001TP_000002"


def folder_of(folder: Path, guesses, names=NAMES) -> Path:
    for name, rows in zip(names, guesses, strict=True):
        save(folder / f"{name}.png", np.array(rows, np.uint8))
    return folder


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    """Two pictures of 2x4 pixels: sky (0), road (3), a void pixel (11)."""
    for name in NAMES:
        picture(tmp_path / "camvid/val/images" / f"{name}.png", (2, 4))
    folder_of(tmp_path / "camvid/val/labels", TRUTH)
    return tmp_path / "camvid"


def compared(root: Path, a: Path, b: Path):
    pairs = load_segmentation("camvid", root, "val")
    sides = [folder_predictions(folder, pairs, title) for folder, title in ((a, "first"), (b, "second"))]
    return compare(pairs, *sides, "camvid"), pairs, sides


def test_two_folders_by_hand(camvid: Path, tmp_path: Path):
    found, *_ = compared(camvid, folder_of(tmp_path / "a", GUESS_A), folder_of(tmp_path / "b", GUESS_B))
    # A: sky 8 right of 9, two false; road 4 right of 6, one false. B: sky 7 of 9, none false; road 6 of 6, two false
    assert found.numbers["iou/Sky"][:3] == pytest.approx((8 / 11, 7 / 9, 7 / 9 - 8 / 11))
    assert found.numbers["iou/Road"][:3] == pytest.approx((4 / 7, 6 / 8, 6 / 8 - 4 / 7))
    assert found.numbers["miou"].b == pytest.approx((7 / 9 + 6 / 8) / 2)
    assert found.numbers["pixel_accuracy"][:2] == (12 / 15, 13 / 15)
    assert math.isnan(found.numbers["iou/Car"].a)
    assert found.share["iou/Sky"] == 9 / 15
    assert found.share["iou/Car"] == 0
    # picture 1: one pixel only A, one only B; picture 2: one only A, two only B
    assert found.agreement == pytest.approx({"differ": 5 / 15, "only_a": 2 / 15, "only_b": 3 / 15, "both": 10 / 15})
    # the void pixel stands between: all but the first column of picture 1 is within 3 px, so all is within 5
    assert found.near.tolist() == [pytest.approx((6 / 7, 6 / 7)), pytest.approx((6 / 8, 7 / 8))]
    assert found.share["band_iou/5px"] == 1
    assert found.blocks == 1
    assert math.isnan(found.numbers["miou"].low)


def test_numbers_are_those_of_gald_score(camvid: Path, tmp_path: Path):
    """With a prediction of void, which is missed, and an odd number of pictures of another size."""
    names = [f"S{i // 3}_{i:05d}" for i in range(18)]
    root = tmp_path / "more"
    guesses = []
    for seed, name in enumerate(names):
        guess, truth = pair(seed, 11, 20 + seed % 3, 30, ignored=0.1)
        picture(root / "val/images" / f"{name}.png", tuple(truth.shape[1:]))
        save(root / "val/labels" / f"{name}.png", truth[0].masked_fill(truth[0] == 255, 11).numpy().astype(np.uint8))
        guesses.append(guess[0].masked_fill(blobs(seed + 50, 6, *guess.shape[1:])[0] == 0, 11).numpy())
    a = folder_of(tmp_path / "a", guesses, names)
    b = folder_of(tmp_path / "b", [np.where(each == 11, 2, each) for each in guesses], names)
    found, pairs, *_ = compared(root, a, b)
    for side, folder in (("a", a), ("b", b)):
        expected = score(folder, pairs)
        mine = {key: getattr(number, side) for key, number in found.numbers.items() if key in expected}
        assert len(mine) == 1 + 12 + 12 + 12 + 3 * 12
        assert mine == pytest.approx({key: expected[key] for key in mine}, abs=1e-12, nan_ok=True)
    assert found.blocks == 6
    for key in ("miou", "boundary_iou", "boundary_f/3px", "iou_small", "band_iou/3px"):
        number = found.numbers[key]
        assert number.low < number.difference < number.high, key


def test_who_is_right_by_hand():
    target = torch.tensor([[0, 0, 0, 0, 255]])
    a, b = torch.tensor([[0, 0, 1, 1, 0]]), torch.tensor([[0, 1, 0, 2, 0]])
    assert right_map(a, b, target).tolist() == [[0, 1, 2, 3, 4]]
    assert agreement(a, b, target).tolist() == [3, 1, 1, 1]


def test_the_largest_changes_are_chosen_and_a_picture_without_one_is_not():
    near = torch.tensor([[0.5, 0.5], [0.5, 0.7], [math.nan, math.nan], [0.9, 0.2], [0.1, 0.9], [0.5, 0.4], [0.5, 0.7]])
    alone, near = torch.arange(7), near.double()
    assert most_changed(near, alone, 2) == ([4, 1], [3, 5])
    assert most_changed(near, alone, 9) == ([4, 1, 6], [3, 5])
    # 1 and 6 are neighbours of 4, and 3 of 5: the largest change of each run
    assert most_changed(near, torch.tensor([0, 1, 2, 3, 1, 3, 1])) == ([4], [3])


def test_a_map_of_another_size_is_named(camvid: Path):
    pairs = load_segmentation("camvid", camvid, "val")
    flat = Predictions("mine", lambda index, image: torch.zeros(1, 4, dtype=torch.int64))
    with pytest.raises(UserError, match="mine gives 4x1 for 0001TP_000001, whose truth is 4x2"):
        compare(pairs, flat, flat, "camvid")


# ------------------------------------------------------------------------------------------------------------- words


def test_words():
    assert [points(each) for each in (0.0123, -0.004, 0.0, -1e-9, math.nan)] == [
        "+1.23",
        "\u22120.40",
        "0.00",
        "0.00",
        "n/a",
    ]
    sure, open_, none = (Estimate(0.5, 0.51, 0.01, low, 0.02) for low in (0.005, -0.001, math.nan))
    assert interval(open_) == "\u22120.10 to +2.00"
    assert "these pictures don't tell A from B" in verdict(open_, "mIoU")
    assert "B is better on pictures like these" in verdict(sure, "mIoU")
    assert "A is better" in verdict(Estimate(0.5, 0.4, -0.1, -0.2, -0.05), "mIoU")
    assert "too few pictures" in verdict(none, "mIoU")
    assert "nothing" in verdict(Estimate(*[math.nan] * 5), "mIoU")


# -------------------------------------------------------------------------------------------------------------- page


class Reader(HTMLParser):
    """Checks that tags are closed in order, and keeps what the page refers to and says."""

    VOID = ("meta", "img", "br", "line", "circle", "rect", "polyline")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.refers: list[str] = []
        self.said = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.refers += [value for name, value in attrs if name in ("src", "href", "srcset", "xlink:href", "data")]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.said += data


def check_page(text: str) -> Reader:
    page = Reader(text)
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert all(each.startswith("data:image/") for each in page.refers)
    assert "@import" not in text
    assert "url(" not in text
    for each in page.refers:
        Image.open(BytesIO(base64.b64decode(each.partition("base64,")[2]))).load()
    return page


def test_the_page_holds_everything_and_refers_to_nothing(camvid: Path, tmp_path: Path):
    found, pairs, sides = compared(camvid, folder_of(tmp_path / "a", GUESS_A), folder_of(tmp_path / "b", GUESS_B))
    gained, lost = gallery(found, pairs, *sides)
    assert [each.name for each in gained] == [NAMES[1]]
    assert lost == []
    nasty = Predictions("<b>&\"'", sides[0].label_map, {"a < b": "<script>x</script>"}, ("note <i>",))
    inputs = Inputs(nasty, sides[1], pairs, "cam<vid", "val", [Difference("x<", 1, 2)])
    page = check_page(Report(found, inputs, gained, lost, "gald compare '<a>' b", "v").html())
    assert len(page.refers) == 5
    for words in (
        "A: <b>&\"'",
        "<script>x</script>",
        "note <i>",
        "gald compare '<a>' b",
        "x<",
        "86.67",
        "+6.67",
        NAMES[1],
    ):
        assert words in page.said, words
    assert page.tags.count("svg") >= 3
    with Image.open(BytesIO(base64.b64decode(gained[0].drawings["who is right"].partition(",")[2]))) as drawn:
        orange = np.array(drawn.convert("RGB"))[1, 2:].tolist()
    assert orange == [[230, 159, 0]] * 2  # the two pixels where only B is right


def test_charts_place_values_and_leave_out_what_is_not_there():
    numbers = [Estimate(a, b, b - a, 0.0, 0.0) for a, b in ((0.5, 0.5), (0.6, math.nan), (0.9, 0.9))]
    text = curve(["1 px", "3 px", "interior"], numbers, "IoU <1>")
    Reader(text)
    assert "IoU &lt;1&gt;" in text
    assert text.count("<circle") == 3
    assert text.count('<rect class="fill b"') == 2
    # 50 is the axis' lower end, 90 its upper: 222 of 280 units lie between
    assert 'cy="236.0"' in text
    assert 'cy="14.0"' in text
    assert bars(["small"], [Estimate(0.5, *[math.nan] * 4)], "x").count("<rect") == 1
    assert whisker(Estimate(*[math.nan] * 5), 1.0) == ""
    assert 'cx="88.0"' in whisker(Estimate(0.0, 0.1, 0.1, 0.05, 0.2), 0.2)


# ----------------------------------------------------------------------------------------------------------- command


def gald(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[str, str, int]:
    code = 0
    try:
        cli.main(["compare", *map(str, arguments)])
    except SystemExit as end:
        code = int(end.code or 0)
    said = capsys.readouterr()
    return said.out, said.err, code


def test_two_folders_on_the_command_line(camvid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    a, b = folder_of(tmp_path / "a", GUESS_A), folder_of(tmp_path / "b", GUESS_B)
    save(b / "0001TP_000009.png", np.zeros((2, 4), np.uint8))
    out = tmp_path / "out/page.html"
    said, err, code = gald(capsys, a, b, "--data.name", "camvid", "--data.root", camvid, "--out", out)
    assert code == 0, err
    assert "64.94" in said  # A's mIoU: (8 / 11 + 4 / 7) / 2
    assert "1 PNG files" in err
    assert "val is taken, --split names another" in err
    assert "0001TP_000009.png" in err
    page = check_page(out.read_text())
    assert f"gald compare {a} {b} --data.name camvid --data.root {camvid} --split val" in page.said
    numbers = json.loads(out.with_suffix(".json").read_text())
    assert numbers["numbers"]["miou"]["a"] == pytest.approx((8 / 11 + 4 / 7) / 2)
    assert numbers["numbers"]["miou"]["interval"] is None
    assert numbers["numbers"]["iou/Car"] == {"a": None, "b": None, "difference": None, "interval": None}
    assert numbers["gained_most"] == [NAMES[1]]
    assert numbers["pictures"][NAMES[1]] == {"band_accuracy/5px": [6 / 8, 7 / 8]}


def run_of(path: Path, classes: tuple[Label, ...] = LABELS, seed: int = 0, **data: object) -> Path:
    """A checkpoint of a tiny network with random weights."""
    torch.manual_seed(seed)
    small = SegmenterConfig(backbone="test_resnet", channels=16, output_stride=16)
    settings = SegmentationConfig(model=small, data=SegmentationDataConfig(name="camvid", **data), seed=seed)
    network = Segmenter.from_config(settings.model, len(classes))
    checkpoint.save(path, checkpoint.Checkpoint(settings, classes, 7, 0.5, network.state_dict()))
    return path


@pytest.fixture
def streets(tmp_path: Path) -> Path:
    """Twelve pictures of 24x32 in six sequences, enough for intervals."""
    for seed in range(12):
        name = f"S{seed // 2}_{seed:05d}.png"
        picture(tmp_path / "streets/val/images" / name, (24, 32), seed)
        save(tmp_path / "streets/val/labels" / name, blobs(seed, 11, 24, 32)[0].numpy().astype(np.uint8))
    return tmp_path / "streets"


def test_two_checkpoints_say_what_they_are_and_bring_the_data(
    streets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    a = run_of(tmp_path / "one/best.safetensors", root=streets)
    b = run_of(tmp_path / "two/best.safetensors", root=streets, seed=1)
    said, err, code = gald(capsys, a, b, "--out", tmp_path / "page.html", "--accelerator", "cpu")
    assert code == 0, err
    assert "compare 12/12" in err
    assert "95 % interval" in said
    page = check_page((tmp_path / "page.html").read_text())
    for words in (
        "A: one/best.safetensors",
        "B: two/best.safetensors",
        "7 steps on camvid, seed 1",
        "6 runs of about 2 ",
    ):
        assert words in page.said, words
    numbers = json.loads((tmp_path / "page.json").read_text())
    assert numbers["settings_that_differ"] == {"seed": {"a": "0", "b": "1"}}
    assert numbers["a"]["sha256"] != numbers["b"]["sha256"]
    low, high = numbers["numbers"]["miou"]["interval"]
    assert low <= numbers["numbers"]["miou"]["difference"] <= high


def test_a_checkpoint_and_what_it_predicted_are_the_same(
    streets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = run_of(tmp_path / "best.safetensors", root=streets)
    cli.main(["predict", str(streets / "val/images"), "--checkpoint", str(path), "--out", str(tmp_path / "p")])
    said, err, code = gald(capsys, path, tmp_path / "p", "--out", tmp_path / "page.html", "--accelerator", "cpu")
    assert code == 0, err
    assert "there is no difference to report" in " ".join(said.split())
    page = check_page((tmp_path / "page.html").read_text())
    assert page.said.count("None.") == 2  # none gained, none lost
    numbers = json.loads((tmp_path / "page.json").read_text())
    assert numbers["agreement"]["differ"] == 0
    assert numbers["numbers"]["miou"]["difference"] == 0
    assert numbers["numbers"]["miou"]["interval"] == [0, 0]


@pytest.mark.parametrize(
    "wrong", ["missing", "size", "value", "colour", "no folder", "no name", "ending", "folder", "run"]
)
def test_a_mistake_is_one_sentence_before_the_work(
    wrong: str, camvid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    a, b, out = folder_of(tmp_path / "a", GUESS_A), folder_of(tmp_path / "b", GUESS_B), tmp_path / "page.html"
    data: list[object] = ["--data.name", "camvid", "--data.root", camvid]
    last = b / f"{NAMES[1]}.png"
    if wrong == "missing":
        last.unlink()
    elif wrong == "size":
        save(last, np.zeros((4, 2), np.uint8))
    elif wrong == "value":
        save(last, np.full((2, 4), 77, np.uint8))
    elif wrong == "colour":
        Image.new("RGB", (4, 2)).save(last)
    elif wrong == "no folder":
        b = tmp_path / "nowhere"
    elif wrong == "no name":
        data = []
    elif wrong == "ending":
        out = tmp_path / "page.json"
    elif wrong == "folder":
        out.mkdir()
    else:
        (b / "best.safetensors").write_bytes(b"")
    said, err, code = gald(capsys, a, b, *data, "--out", out)
    sentences = {
        "missing": f"1 of 2 pictures have no prediction in {b}, the first is {NAMES[1]}",
        "size": f"prediction {last} is 2x4, but its truth",
        "value": f"{last} has the value 77 at (x, y) = (0, 0)",
        "colour": f"{last} is a colour picture",
        "no folder": f"{b} does not exist; give a checkpoint or a folder of label maps",
        "no name": "give --data.name and --data.root",
        "ending": "its name must end in .html",
        "folder": f"cannot write {out}: it is a folder",
        "run": f"{b} is the folder of a run; give {b / 'best.safetensors'}",
    }
    assert code == 2
    assert sentences[wrong] in err
    assert "compare 1/2" not in err
    assert "Traceback" not in err
    assert said == ""


def test_other_classes_and_hidden_labels_are_refused(camvid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    a, b = folder_of(tmp_path / "a", GUESS_A), run_of(tmp_path / "few.safetensors", LABELS[:3], root=camvid)
    _, err, code = gald(capsys, a, b, "--out", tmp_path / "page.html")
    assert (code, "has 3 classes and the data set has 11" in err) == (2, True)
    folder_of(camvid / "val/labels", [np.full((2, 4), 11)] * 2)
    _, err, code = gald(capsys, a, a, "--data.name", "camvid", "--data.root", camvid, "--out", tmp_path / "page.html")
    assert (code, "no pixel of the truth has a class" in err) == (2, True)
