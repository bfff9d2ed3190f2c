"""``gald submit`` on fake trees: what the servers take, read back by other means; interruptions; damage; mistakes."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
import torch
from fake import ade20k as fake_ade20k
from fake import cityscapes as fake_cityscapes
from fake import coco_stuff as fake_coco_stuff
from fake.streets import picture
from PIL import Image
from running import interrupt, line

import gald
from gald.cli import main as cli
from gald.config.network import SegmenterConfig
from gald.config.settings import SegmentationConfig, SegmentationDataConfig
from gald.data.registry import load_segmentation
from gald.engine import checkpoint
from gald.engine.submission import SUBMISSIONS, find_server
from gald.engine.submission.server import LabelMapFile
from gald.images.io import write_label
from gald.models.segmenter import Segmenter
from gald.support.errors import UserError

# the benchmarks' own lists, typed from their pages: label ids; COCO's 11 numbers that nothing has
CITYSCAPES = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
ADE20K = list(range(1, 151))
UNUSED = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91}
COCO = [number if number >= 92 else 183 for number in range(1, 183) if number not in UNUSED]
IDS = {"cityscapes": CITYSCAPES, "ade20k": ADE20K, "coco_stuff": COCO}
TREES = {
    "cityscapes": fake_cityscapes.write,
    "ade20k": lambda root: fake_ade20k.write_test(fake_ade20k.write(root)),
    "coco_stuff": lambda root: fake_coco_stuff.write_test(fake_coco_stuff.write164k(root, images="")),
}
TRAINED = {"cityscapes": "cityscapes", "ade20k": "ade20k", "coco_stuff": "coco_stuff164k"}


def write_checkpoint(path: Path, data: str, root: Path, seed: int = 0) -> Path:
    """A network of chance that sees many classes in noise."""
    torch.manual_seed(seed)
    config = SegmentationConfig(
        model=SegmenterConfig(backbone="test_resnet", ga="cgnl", channels=8, output_stride=16, pretrained=False),
        data=SegmentationDataConfig(name=data),
    )
    labels = load_segmentation(data, root, "train").labels
    network = Segmenter.from_config(config.model, len(labels))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    checkpoint.save(path, checkpoint.Checkpoint(config, labels, 1, 0.5, network.state_dict()))
    return path


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """Data and a checkpoint for every benchmark."""
    found = {}
    for name, write in TREES.items():
        folder = tmp_path_factory.mktemp(name)
        root = write(folder / "data")
        found[name] = root, write_checkpoint(folder / "best.safetensors", TRAINED[name], root)
    return found


def submit(name: str, places: dict[str, tuple[Path, Path]], out: Path, *others: object) -> list[str]:
    root, weights = places[name]
    arguments = ["submit", name, "--checkpoint", weights, "--data.root", root, "--out", out, "--accelerator", "cpu"]
    return [str(each) for each in (*arguments, *others)]


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    text = capsys.readouterr().err
    assert "Traceback" not in text
    assert text.count("gald: ") == 1
    return text[text.index("gald: ") :]


def expected(weights: Path, image: Path, ids: list[int]) -> np.ndarray:
    """The network's classes of a picture as the server's ids, by another way than the command's."""
    pixels = torch.from_numpy(np.array(Image.open(image).convert("RGB"))).permute(2, 0, 1)[None]
    with torch.inference_mode():
        return np.array(ids, np.uint8)[gald.load(weights)(pixels)["out"].argmax(1)[0].numpy()]


def masks_of(entries: list[dict]) -> np.ndarray:
    """COCO's compressed run lengths, decoded by the letter: 5 bits a character, differences to the run before last."""
    height, width = entries[0]["segmentation"]["size"]
    total = np.zeros(height * width, np.int64)
    for entry in entries:
        runs: list[int] = []
        value = shift = 0
        for character in entry["segmentation"]["counts"]:
            bits = ord(character) - 48
            value |= (bits & 31) << shift
            shift += 5
            if not bits & 32:
                value -= (1 << shift) if bits & 16 else 0
                runs.append(value + (runs[-2] if len(runs) > 2 else 0))
                value = shift = 0
        total += np.repeat(np.arange(len(runs)) % 2, runs) * entry["category_id"]
    return total.reshape(width, height).T  # columns first


def maps_in(archive: Path) -> dict[str, np.ndarray]:
    """The label maps of an archive by the names of the pictures; what stands in no folder."""
    maps = {}
    with ZipFile(archive) as content:
        assert content.testzip() is None
        for name in content.namelist():
            assert "/" not in name
            if name.endswith(".json"):
                by_image: dict[int, list[dict]] = {}
                for entry in json.loads(content.read(name)):
                    assert set(entry) == {"image_id", "category_id", "segmentation"}
                    by_image.setdefault(entry["image_id"], []).append(entry)
                return {f"{number:012d}": masks_of(entries) for number, entries in by_image.items()}
            image = Image.open(io.BytesIO(content.read(name)))
            assert (image.format, image.mode) == ("PNG", "L")
            maps[name.removesuffix(".png").removesuffix("_pred_labelIds")] = np.array(image)
    return maps


# ------------------------------------------------------------------------------------------------------ what is written


@pytest.mark.parametrize(
    ("name", "split", "pictures", "pattern"),
    [
        ("cityscapes", "test", "leftImg8bit/test/*/*.png", r"berlin_\d{6}_\d{6}_pred_labelIds\.png"),
        ("cityscapes", "val", "leftImg8bit/val/*/*.png", r"(frankfurt|munster)_\d{6}_\d{6}_pred_labelIds\.png"),
        ("ade20k", "test", "release_test/testing/*.jpg", r"ADE_test_\d{8}\.png"),
        ("ade20k", "val", "ADEChallengeData2016/images/validation/*.jpg", r"ADE_val_\d{8}\.png"),
        ("coco_stuff", "test-dev", "test2017/*[01].jpg", r"stuff_test-dev2017_gald_results\.json"),
        ("coco_stuff", "val", "val2017/*.jpg", r"stuff_val2017_gald_results\.json"),
    ],
)
def test_the_archive_holds_the_networks_answers(
    name: str, split: str, pictures: str, pattern: str, places: dict[str, tuple[Path, Path]], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    if name == "coco_stuff":
        pytest.importorskip("faster_coco_eval")
    root, weights = places[name]
    archive = tmp_path / "out" / "mine.zip"
    cli.main(submit(name, places, archive, *(["--split", split] if "test" not in split else [])))
    with ZipFile(archive) as content:
        assert all(re.fullmatch(pattern, member) for member in content.namelist())
    images = {path.stem.removesuffix("_leftImg8bit"): path for path in root.glob(pictures)}
    if split == "test-dev":
        del images["000000000080"]  # a picture of test2017 that test-dev doesn't name
    found = maps_in(archive)
    assert len(images) >= 2
    assert found.keys() == images.keys()
    seen = set()
    for each, path in images.items():
        assert np.array_equal(found[each], expected(weights, path, IDS[name])), each
        seen |= set(found[each].flatten().tolist())
    assert len(seen) > 1, "a test of one class shows little"
    said = " ".join(capsys.readouterr().out.split())
    assert f"pictures │ {len(images)}" in said
    assert f"classes seen │ {len(seen)} of {len(set(IDS[name]))}" in said
    assert find_server(name).page in said


def test_a_folder_as_out_and_tiles_and_views(places: dict[str, tuple[Path, Path]], tmp_path: Path) -> None:
    views = ("--tile", 32, "--overlap", 0.5, "--scales", 1.0, 1.5, "--flip")
    cli.main(submit("cityscapes", places, tmp_path / "out", *views))
    assert {each.name for each in (tmp_path / "out").iterdir()} == {"cityscapes-test.zip", "cityscapes-test.work"}
    cli.main(submit("cityscapes", places, tmp_path / "plain"))
    maps = [maps_in(tmp_path / out / "cityscapes-test.zip") for out in ("out", "plain")]
    assert any((maps[0][name] != maps[1][name]).any() for name in maps[0])
    settings = json.loads((tmp_path / "out" / "cityscapes-test.work" / "settings.json").read_text())
    assert (settings["tile"], settings["scales"], settings["flip"]) == ([32, 32], [1.0, 1.5], True)


# ------------------------------------------------------------------------------------------------------ going on


@pytest.fixture
def many(tmp_path: Path, places: dict[str, tuple[Path, Path]]) -> dict[str, tuple[Path, Path]]:
    """Test pictures enough to be interrupted among."""
    root = tmp_path / "many"
    for number in range(30):
        picture(root / f"leftImg8bit/test/bonn/bonn_{number:06d}_000019_leftImg8bit.png", (48, 96), number)
    return {"cityscapes": (root, places["cityscapes"][1])}


VIEWS = ("--scales", 1.0, 2.0, "--flip")


def goes_on(many: dict[str, tuple[Path, Path]], work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same command again leaves what is done, and ends with what an uninterrupted one writes."""
    archive = work.with_suffix(".zip")
    assert not archive.exists()
    before = {path: path.stat().st_mtime_ns for path in work.glob("*.png")}
    assert 3 <= len(before) < 30
    capsys.readouterr()
    cli.main(submit("cityscapes", many, archive, *VIEWS))
    assert f"{len(before)} of 30 pictures were done before" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in before} == before, "they were predicted again"
    cli.main(submit("cityscapes", many, work.with_name("whole.zip"), *VIEWS))
    assert archive.read_bytes() == work.with_name("whole.zip").read_bytes()


def test_ctrl_c(many: dict[str, tuple[Path, Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = line(*submit("cityscapes", many, tmp_path / "a.zip", *VIEWS))
    stopped = interrupt(command, 4, signal.SIGINT, of="gald.engine.submission.submit:write_label")
    assert stopped.returncode == 130, stopped.stderr
    assert "gald: stopped; the same command goes on from here" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    goes_on(many, tmp_path / "a.work", capsys)


def test_sigterm(
    many: dict[str, tuple[Path, Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    written = []

    def write_and_kill(labels: torch.Tensor, path: Path) -> None:
        write_label(labels, path)
        written.append(path)
        if len(written) == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr("gald.engine.submission.submit.write_label", write_and_kill)
        with pytest.raises(SystemExit) as stop:
            cli.main(submit("cityscapes", many, tmp_path / "a.zip", *VIEWS))
    assert stop.value.code == 130
    assert len(written) == 4
    goes_on(many, tmp_path / "a.work", capsys)


def test_what_was_damaged_meanwhile_is_predicted_again(
    places: dict[str, tuple[Path, Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, work = tmp_path / "a.zip", tmp_path / "a.work"
    arguments = submit("ade20k", places, archive)
    cli.main(arguments)
    sound = archive.read_bytes()
    cut, wrong, gone, narrow = sorted(work.glob("*.png"))
    cut.write_bytes(cut.read_bytes()[:40])
    values = np.array(Image.open(wrong))
    values[3, 5] = 0
    Image.fromarray(values).save(wrong)
    gone.unlink()
    Image.fromarray(np.array(Image.open(narrow))[:, 1:]).save(narrow)
    Image.fromarray(values).save(work / "ADE_test_00000077.png")  # of no picture: left alone, and out of the archive
    capsys.readouterr()
    cli.main(arguments)
    said = capsys.readouterr().err
    assert re.search(rf"predicted again: .*{cut}", said)
    assert f"predicted again: {wrong} has the value 0 at (x, y) = (5, 3), which is no class of the server" in said
    assert f"predicted again: {narrow} is 20x12 but its picture is 21x12" in said
    assert "0 of 4 pictures were done before" in said
    assert archive.read_bytes() == sound

    flipped = bytearray(cut.read_bytes())
    flipped[flipped.index(b"IDAT") + 9] ^= 4
    for each, content in ((cut, flipped), (wrong, wrong.read_bytes()[:-12])):
        each.write_bytes(content)
    cli.main(arguments)
    said = capsys.readouterr().err
    assert re.search(rf"predicted again: .*{cut}", said)
    assert f"predicted again: {wrong} is damaged: its checksums are wrong, or its end is missing" in said
    assert archive.read_bytes() == sound


def test_other_settings_or_another_checkpoint_are_refused(
    places: dict[str, tuple[Path, Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, weights = places["cityscapes"]
    archive = tmp_path / "a.zip"
    cli.main(submit("cityscapes", places, archive))
    sound = archive.read_bytes()
    text = refused(capsys, submit("cityscapes", places, archive, "--tile", 32, 32, "--flip"))
    assert "was begun with other settings (tile was None, is [32, 32]; flip was False, is True)" in text
    other = {"cityscapes": (root, write_checkpoint(tmp_path / "other.safetensors", "cityscapes", root, seed=1))}
    assert "(other checkpoint)" in refused(capsys, submit("cityscapes", other, archive))
    moved = {"cityscapes": (shutil.copytree(root, tmp_path / "moved"), Path(shutil.copy(weights, tmp_path)))}
    cli.main(submit("cityscapes", moved, archive))  # the same data and weights at another place
    assert "2 of 2 pictures were done before" in capsys.readouterr().err
    picture(tmp_path / "moved/leftImg8bit/test/berlin/berlin_000999_000019_leftImg8bit.png", (32, 68), 9)
    assert "(other pictures)" in refused(capsys, submit("cityscapes", moved, archive))
    assert archive.read_bytes() == sound
    settings = tmp_path / "a.work" / "settings.json"
    settings.write_text("{")
    assert f"cannot read {settings}" in refused(capsys, submit("cityscapes", places, archive))
    settings.unlink()
    assert f"{archive} is there already, and no {settings}" in refused(capsys, submit("cityscapes", places, archive))
    archive.unlink()
    assert "_000019.png is there already" in refused(capsys, submit("cityscapes", places, archive))


def test_a_full_disk_is_one_sentence_and_the_run_goes_on(
    places: dict[str, tuple[Path, Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    archive = tmp_path / "a.zip"
    calls = []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 3:  # the settings and two maps
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("gald.support.files.os.fsync", full)
        text = refused(capsys, submit("ade20k", places, archive))
    assert re.search(r"gald: cannot write .*ADE_test_00000005\.png: No space left on device", text)
    assert not archive.exists()
    cli.main(submit("ade20k", places, archive))
    assert "2 of 4 pictures were done before" in capsys.readouterr().err
    assert len(maps_in(archive)) == 4


# ------------------------------------------------------------------------------------------------------ the check


def made(name: str, split: str, places: dict[str, tuple[Path, Path]], folder: Path) -> tuple[Path, list[LabelMapFile]]:
    """An archive and the maps in it."""
    archive = folder / "a.zip"
    cli.main(submit(name, places, archive))
    pairs = find_server(name).pairs(places[name][0], split)
    sizes = {pairs.name(i): tuple(pairs.image(i).shape[1:]) for i in range(len(pairs))}
    return archive, [LabelMapFile(each, folder / "a.work" / f"{each}.png", size) for each, size in sizes.items()]


def rewritten(archive: Path, change: dict[str, bytes | None]) -> Path:
    """A copy with members changed, added or (None) left out."""
    copy = archive.with_name("changed.zip")
    with ZipFile(archive) as before, ZipFile(copy, "w", ZIP_DEFLATED) as after:
        members = {name: before.read(name) for name in before.namelist()} | change
        for name, content in members.items():
            if content is not None:
                after.writestr(name, content)
    return copy


def test_a_faulty_archive_of_maps_is_told(places: dict[str, tuple[Path, Path]], tmp_path: Path) -> None:
    archive, maps = made("cityscapes", "test", places, tmp_path)
    first, second = (f"{each.name}_pred_labelIds.png" for each in maps)
    allowed = frozenset(CITYSCAPES)

    def fault_of(faulty: Path) -> str:
        with pytest.raises(UserError) as error:
            find_server("cityscapes").check(faulty, maps, "test", allowed)
        return str(error.value)

    assert find_server("cityscapes").check(archive, maps, "test", allowed) <= set(CITYSCAPES)
    assert f"holds 1 files, and 2 are wanted: {second} is missing" in fault_of(rewritten(archive, {second: None}))
    assert "one too many" in fault_of(rewritten(archive, {"readme.txt": b"?"}))
    assert "is missing" in fault_of(rewritten(archive, {second: None, "x.png": b""}))
    assert f"{first} is not {maps[0].file}" in fault_of(rewritten(archive, {first: maps[1].file.read_bytes()}))
    flipped = bytearray(archive.read_bytes())
    flipped[len(first) + 60] ^= 1
    (tmp_path / "flipped.zip").write_bytes(flipped)
    assert "is damaged (Bad CRC-32" in fault_of(tmp_path / "flipped.zip")
    (tmp_path / "cut.zip").write_bytes(archive.read_bytes()[:-30])
    assert "is damaged (File is not a zip file)" in fault_of(tmp_path / "cut.zip")
    values = np.array(Image.open(maps[0].file))
    values[0, 0] = 3  # a train id
    Image.fromarray(values).save(maps[0].file)
    assert "has the value 3 at (x, y) = (0, 0)" in fault_of(rewritten(archive, {first: maps[0].file.read_bytes()}))


def test_a_faulty_file_of_masks_is_told(places: dict[str, tuple[Path, Path]], tmp_path: Path) -> None:
    pytest.importorskip("faster_coco_eval")
    archive, maps = made("coco_stuff", "test-dev", places, tmp_path)
    name = "stuff_test-dev2017_gald_results.json"
    allowed = frozenset(COCO)
    with ZipFile(archive) as content:
        entries = json.loads(content.read(name))

    def fault_of(changed: list[dict]) -> str:
        faulty = rewritten(archive, {name: json.dumps(changed).encode()})
        with pytest.raises(UserError) as error:
            find_server("coco_stuff").check(faulty, maps, "test-dev", allowed)
        return str(error.value)

    assert find_server("coco_stuff").check(archive, maps, "test-dev", allowed) <= set(COCO)
    assert "1 is missing" in fault_of([each for each in entries if each["image_id"] != 1])
    assert "7 is one too many" in fault_of([*entries, {**entries[0], "image_id": 7}])
    for changed in (
        entries[1:],  # a class left out
        [*entries, entries[0]],  # twice
        [{**entries[0], "category_id": 300}, *entries[1:]],
        # two masks on the same pixels whose ids add up to the right one
        [*({**entries[0], "category_id": each} for each in (1, entries[0]["category_id"] - 1)), *entries[1:]],
        [{**entries[0], "segmentation": {**entries[0]["segmentation"], "size": [20, 12]}}, *entries[1:]],
    ):
        assert f"the masks of picture {maps[0].name} are not {maps[0].file}" in fault_of(changed)


def test_an_archive_that_fails_its_check_does_not_stay(
    places: dict[str, tuple[Path, Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    server = find_server("ade20k")
    half = replace(server, pack=lambda maps, split: server.pack(maps[1:], split))
    monkeypatch.setitem(SUBMISSIONS, "ade20k", half)
    text = refused(capsys, submit("ade20k", places, tmp_path / "a.zip"))
    assert "holds 3 files, and 4 are wanted: ADE_test_00000001.png is missing" in text
    assert not (tmp_path / "a.zip").exists()


def test_an_archive_above_the_servers_limit_is_told(
    places: dict[str, tuple[Path, Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    assert find_server("cityscapes").limit == 100
    monkeypatch.setitem(SUBMISSIONS, "cityscapes", replace(find_server("cityscapes"), limit=0))
    with pytest.raises(SystemExit, match="1"):
        cli.main(submit("cityscapes", places, tmp_path / "a.zip"))
    assert "the server takes 0 MB at most" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------ mistakes


@pytest.mark.parametrize(
    ("name", "others", "words"),
    [
        ("cityscape", (), "unknown benchmark 'cityscape'; did you mean 'cityscapes'?"),
        ("cityscapes", ("--split", "train"), "unknown split for cityscapes 'train'; there are test, val"),
        ("cityscapes", ("--tile", 0, 5), "a tile has 1 pixel or more"),
        ("cityscapes", ("--precision", "16-mixed"), "16-mixed needs a GPU"),
        ("cityscapes", ("--checkpoint", "nowhere.pt"), "no checkpoint at nowhere.pt"),
        ("cityscapes", ("--data.root", "nowhere"), "the data folder nowhere does not exist"),
    ],
)
def test_one_sentence(
    name: str, others: tuple[object, ...], words: str, places: dict[str, tuple[Path, Path]], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    known = {**places, name: places.get(name, places["cityscapes"])}
    assert words in refused(capsys, submit(name, known, tmp_path / "a.zip", *others))
    assert not list(tmp_path.glob("a.*"))  # no folder either, whose settings would refuse what is right


def test_missing_pictures_other_classes_and_no_room(
    places: dict[str, tuple[Path, Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.zip"
    bare = {"ade20k": (fake_ade20k.write(tmp_path / "ade"), places["ade20k"][1])}
    assert "get release_test.zip from" in refused(capsys, submit("ade20k", bare, out))
    (tmp_path / "empty").mkdir()
    none = {"cityscapes": (tmp_path / "empty", places["cityscapes"][1])}
    assert "holds no leftImg8bit/test" in refused(capsys, submit("cityscapes", none, out))
    crossed = {"cityscapes": (places["cityscapes"][0], places["ade20k"][1])}
    assert "has 150 classes and the data set has 19" in refused(capsys, submit("cityscapes", crossed, out))
    (tmp_path / "file").touch()
    inside = submit("cityscapes", places, tmp_path / "file" / "a.zip")
    assert f"cannot write {tmp_path / 'file' / 'a.zip'}" in refused(capsys, inside)
    assert "a tile has 1 pixel or more" in refused(capsys, [*inside, "--tile", "0"])
    out.write_text("somebody's")
    assert f"{out} is there already" in refused(capsys, submit("cityscapes", places, out))
    assert out.read_text() == "somebody's"


def test_coco_without_its_list_or_its_library(
    places: dict[str, tuple[Path, Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    out = tmp_path / "a.zip"
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "faster_coco_eval.core.mask", None)
        assert "pip install 'gald[detection]'" in refused(capsys, submit("coco_stuff", places, out))
    pytest.importorskip("faster_coco_eval")
    root = fake_coco_stuff.write164k(tmp_path / "data", images="")
    bare = {"coco_stuff": (root, places["coco_stuff"][1])}
    assert "image_info_test-dev2017.json" in refused(capsys, submit("coco_stuff", bare, out))
    (root / "annotations" / "image_info_test-dev2017.json").write_text("[1]")
    assert "is no list of COCO's pictures" in refused(capsys, submit("coco_stuff", bare, out))
    fake_coco_stuff.write_test(root)
    (root / "test2017" / "000000000090.jpg").unlink()
    assert "000000000090.jpg" in refused(capsys, submit("coco_stuff", bare, out))
