"""The demo: a small network with a head on each stage of GALD, trained on drawn streets and measured on new ones."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gald.analysis.explain.stages import STAGES, StageHeads
from gald.block.layers import resize
from gald.data.datasets.synthetic import synthetic
from gald.data.segmentation import SegmentationDataset
from gald.engine.losses import cross_entropy
from gald.engine.tasks.segmentation import class_weights
from gald.images.figure import below, beside, color_bar, framed, legend, panel
from gald.images.heatmap import heat
from gald.images.io import write_image
from gald.images.overlay import colorize
from gald.metrics import segmentation_metrics
from gald.support.errors import UserError
from gald.support.files import write_json
from gald.support.progress import Bar, track
from gald.support.tables import percent

# Chosen by short runs: after 100 steps on 256x128 pictures the loss on F_GA was 0.33 with psp, 0.52 with nonlocal and
# 0.56 with cgnl_rbf (on F: 0.50 to 0.55); plain cgnl gathers next to nothing, see its file.
GA = "psp"
CLASSES = 8
# On 256x128 the backbone's own field of view reaches the sky, and F tells road from water almost as well as F_GA.
SIZE = (192, 384)
BATCH = 4
LEARNING_RATE = 3e-3  # of AdamW, after WARM_UP steps; falls to 0
WARM_UP = 15
PICTURED = (2, 3, 5)  # test pictures in the figure, chosen for their skies (cold, warm, cold), not for what was found
MEANING = {
    "F": "the backbone's feature",
    "F_GA": "after global aggregation",
    "F_GALD": "after local distribution",
}
Scores = dict[str, dict[str, float]]  # of each stage


@dataclass(frozen=True)
class Demo:
    """A run of the demo.

    Raises:
        UserError: settings that can't work, or a folder that can't be written.
    """

    out: Path
    """Folder for demo.png and demo.json."""
    steps: int
    seed: int
    size: tuple[int, int] = SIZE
    """Height and width of the pictures."""
    pictures: int = 64
    """How many it is measured on."""

    def __post_init__(self) -> None:
        for flag, value, least in (("--steps", self.steps, 1), ("--seed", self.seed, 0)):
            if value < least:
                raise UserError(f"{flag} is {value}; it must be at least {least}")
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.out):
                pass
        except OSError as error:
            raise UserError(f"cannot write into {self.out}: {error.strerror}; choose another --out") from None

    @property
    def machine(self) -> str:
        """What it runs on."""
        threads = torch.get_num_threads()
        return f"cpu with {threads} thread{'s' * (threads > 1)}, torch {torch.__version__}"

    def run(self) -> Scores:
        """Train, measure, and write both files."""
        network = _train(self.steps, self.seed, self.size)
        unseen = synthetic(split="test", size=self.size, classes=CLASSES, length=self.pictures)
        scores = _measure(network, unseen)
        write_image(_figure(network, unseen, scores), self.out / "demo.png")
        about = {"seed": self.seed, "steps": self.steps, "batch": BATCH, "size": self.size, "ga": GA, "ld": "mask"}
        write_json(self.out / "demo.json", {**about, "machine": self.machine, "scores": scores})
        return scores


def _train(steps: int, seed: int, size: tuple[int, int]) -> StageHeads:
    """A network trained on ``steps`` batches of pictures of ``size`` (height, width); every picture is new.

    The heads' cross-entropies are summed, rare classes weighted up.
    """
    torch.manual_seed(seed)
    # channels_last: a sixth less time in this network's convolutions (torch 2.15, Zen 4)
    network = StageHeads(CLASSES, ga=GA).to(memory_format=torch.channels_last)
    dataset = synthetic(size=size, classes=CLASSES, length=steps * BATCH, seed=seed)
    weight = class_weights(synthetic(size=size, classes=CLASSES, length=64, seed=seed), show_progress=False).sqrt()
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.01)
    network.train()
    with Bar("train", steps, unit="pictures", per_step=BATCH) as bar:
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = LEARNING_RATE * min(1, (step + 1) / WARM_UP) * (1 - step / steps) ** 0.9
            images, masks = _batch(dataset, range(step * BATCH, (step + 1) * BATCH))
            losses = torch.stack([cross_entropy(out, masks, weight=weight) for out in network(images).values()])
            optimizer.zero_grad()
            losses.sum().backward()  # type: ignore[no-untyped-call]  # torch's own is not typed
            optimizer.step()
            bar.advance("loss " + " ".join(f"{loss:.2f}" for loss in losses.tolist()))
    return network.eval()


def _measure(network: StageHeads, dataset: SegmentationDataset) -> Scores:
    """What `gald.metrics` says of each head, over all pictures."""
    names = [label.name for label in dataset.labels]
    metrics = {stage: segmentation_metrics(len(names), names) for stage in STAGES}
    with torch.inference_mode():
        for index in track(range(len(dataset)), "measure", len(dataset)):
            images, masks = _batch(dataset, [index])
            for stage, logits in network(images).items():
                metrics[stage].update(logits.argmax(1), masks)
    return {stage: {key: float(v) for key, v in metric.compute().items()} for stage, metric in metrics.items()}


def _figure(network: StageHeads, dataset: SegmentationDataset, scores: Scores) -> Tensor:
    """Three test pictures: picture, truth, the three predictions, the mask."""
    images, truths = _batch(dataset, PICTURED)
    with torch.inference_mode():
        logits = network(images)
        masks = resize(network.mask(images).mean(1, keepdim=True), (images.shape[2], images.shape[3]))[:, 0]
    colors, width = [label.color for label in dataset.labels], images.shape[3]
    low, high, letters = masks.min().item(), masks.max().item(), max(8, width // 10)
    notes = {
        "picture": ("drawn by the computer,", "not seen in training"),
        "truth": ("road and water look alike,", "only the sky tells which"),
        "mask M": ("F_GALD = M F_GA + F_GA", "mean over the channels"),
    }
    columns = {"picture": list(images), "truth": [colorize(truth, colors) for truth in truths]}
    for stage, meaning in MEANING.items():
        miou, boundary = percent(scores[stage]["miou"]), percent(scores[stage]["boundary_f/3px"])
        notes[f"from {stage}"] = (meaning, f"mIoU {miou}   boundary F {boundary}")
        columns[f"from {stage}"] = [colorize(labels, colors) for labels in logits[stage].argmax(1)]
    columns["mask M"] = [heat(mask, low, high) for mask in masks]
    panels = [panel(title, notes[title], pictures, letters) for title, pictures in columns.items()]
    small = round(letters / 1.4)
    left, right = beside(panels[:-1]), panels[-1]
    classes = legend([(label.name, label.color) for label in dataset.labels], left.shape[2], small)
    bar = color_bar((f"{low:.3f}", f"{high:.3f}"), width, small, heat)
    return framed(beside([below([left, classes]), below([right, bar])]))


def _batch(dataset: SegmentationDataset, indices: Iterable[int]) -> tuple[Tensor, Tensor]:
    """Pictures (B, 3, H, W) and their train ids (B, H, W) as int64."""
    samples = [dataset[index] for index in indices]
    images, masks = (torch.stack([torch.as_tensor(sample[key]) for sample in samples]) for key in ("image", "mask"))
    return images, masks.long()
