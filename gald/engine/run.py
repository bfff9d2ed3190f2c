"""A run: phase after phase in a folder, on the same processes, from its beginning or resumed, until it ends."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lightning_fabric import Fabric

from gald.config.serialization import load_settings, to_json
from gald.config.settings import RunConfig
from gald.data.labels import check_same_classes
from gald.data.sampling import split_batch
from gald.engine import checkpoint
from gald.engine.build import build_trainer, check_beginning, check_parts, open_datasets, training_fabric
from gald.engine.checkpoint import Checkpoint
from gald.engine.log import validated
from gald.engine.phases import Phase
from gald.engine.run_folder import check_new, check_resumable, folder_lock, load_resumable
from gald.engine.tasks import build_task
from gald.engine.tasks.task import LabelledDataset
from gald.support.distributed import gather_objects, on_all_ranks, on_rank_zero, process_group, starts_processes
from gald.support.errors import Mistakes, UserError
from gald.support.files import write_whole
from gald.support.signals import stop_on_signals

Datasets = tuple[LabelledDataset, LabelledDataset]


@dataclass(frozen=True)
class Outcome:
    """How the training of a phase ended: at its last step, or stopped before it; ``best`` is the highest score."""

    folder: Path
    step: int
    steps: int
    best: float
    score_title: str

    @property
    def stopped(self) -> bool:
        """Whether there is something to resume."""
        return self.step < self.steps

    def __str__(self) -> str:
        if self.stopped:
            saved = self.folder / "last.pt"
            return f"stopped at step {self.step} of {self.steps}, saved in {saved}; go on with --resume"
        best = self.folder / "best.safetensors"
        return f"best checkpoint: {best} (val {self.score_title} {100 * self.best:.2f} %)"


@dataclass(frozen=True)
class Start:
    """Where a run begins or goes on: how many phases are finished, and what the next one is resumed from."""

    finished: int
    saved: Checkpoint | None
    datasets: Sequence[Datasets]
    """The training and validation data of each phase that is left."""


class Run:
    """One run into the folder ``out``: config.json, metrics.jsonl, TensorBoard events, last.pt, best.safetensors.

    A run of several phases has a folder for each of them, and config.json beside these.
    """

    def __init__(self, settings: RunConfig, phases: Sequence[Phase], out: Path, *, resume: bool = False) -> None:
        """``phases`` are those of `gald.engine.phases.phases_of` for the same settings and folder."""
        self.settings, self.phases, self.out, self.resume = settings, phases, out, resume

    def train(self, notes: Sequence[str] = ()) -> Outcome:
        """Train phase after phase, to the end or until a signal stops it; says how each of them ended.

        Raises:
            UserError: everything that can be known to be wrong before the folder is made, at once.
        """
        fabric = training_fabric(self.settings)
        if starts_processes(fabric):
            self.check()  # on this one alone: eight processes are not started for a wrong folder
        with process_group(fabric), stop_on_signals() as stop:
            start = on_all_ranks(fabric, self.check)
            self._check_shared(fabric, start)
            todo = self.phases[start.finished :]
            if not todo:
                return self._finished(fabric)
            if len(self.phases) > 1:
                plan = to_json(self.settings).encode()
                on_rank_zero(fabric, lambda: write_whole(self.out / "config.json", plan))
            saved = start.saved
            for phase, datasets in zip(todo, start.datasets, strict=True):
                doubts = [f"warning: {doubt}" for doubt in datasets[0].doubts]
                said = [*notes, *doubts, *([str(phase)] if phase.title else [])]
                outcome = train_phase(phase, fabric, stop, saved=saved, datasets=datasets, notes=said)
                saved, notes = None, ()
                if fabric.is_global_zero:
                    print(outcome, flush=True)
                if outcome.stopped:
                    break
            return outcome

    def check(self) -> Start:
        """Where the run starts; what is wrong with its folder, its settings and the data of any phase is told at once.

        It needs no other process, and no device.
        """
        mistakes = Mistakes()
        finished, saved = mistakes.attempt(self._resume_point) or (0, None)
        mistakes.attempt(partial(check_parts, self.settings.model))
        if not self.resume:  # what a run began from may be gone when it goes on
            mistakes.attempt(partial(check_beginning, self.settings))
        for phase in self.phases:
            mistakes.attempt(partial(_check_batch, phase))
        datasets: list[Datasets] = []
        for phase in self.phases[finished:]:
            opened = mistakes.attempt(partial(_open, phase, *datasets[:1]))
            datasets += [] if opened is None else [opened]
        mistakes.tell()
        return Start(finished, saved, datasets)

    def _resume_point(self) -> tuple[int, Checkpoint | None]:
        """How many phases are finished, and what the next one goes on from; refuses the folder of another run."""
        several = len(self.phases) > 1
        if several:
            check_new(self.out)  # a run of one may lie there
        elif (self.out / "1-begin").is_dir():
            raise UserError(f"{self.out} holds a run of several parts, which this is not; choose another --out")
        if not self.resume:
            for phase in self.phases:
                check_new(phase.folder)
            return 0, None
        if several:
            self._check_plan()
        for number, phase in enumerate(self.phases):
            begun, later = (phase.folder / "last.pt").is_file(), self.phases[number + 1 :]
            saved = load_resumable(phase.settings, phase.folder) if begun or not several else None
            if saved is None or not _is_finished(phase, saved, later):
                for other in later:
                    check_new(other.folder)  # what lies there went on from other weights than it would now
                return number, saved
        return len(self.phases), None

    def _check_plan(self) -> None:
        """A run of several phases that goes on must be as it was planned."""
        plan = self.out / "config.json"
        if not plan.is_file():
            raise UserError(f"{self.out} holds no run of several parts to resume; leave out --resume to begin one")
        check_resumable(load_settings(plan), self.settings, plan)

    def _check_shared(self, fabric: Fabric, start: Start) -> None:
        """Processes that see different files would wait for each other for ever."""
        points = gather_objects(fabric, (start.finished, start.saved.step if start.saved else None))
        if len(set(points)) > 1:
            mistake = UserError(f"the machines see different files in {self.out}: it must be a folder that they share")
            raise mistake if fabric.is_global_zero else SystemExit(2)

    def _finished(self, fabric: Fabric) -> Outcome:
        """What there is to say of a run that has ended."""
        phase = self.phases[-1]
        best, steps = checkpoint.load(phase.folder / "best.safetensors").best, phase.settings.steps
        outcome = Outcome(phase.folder, steps, steps, best, build_task(phase.settings).score_title)
        if fabric.is_global_zero:
            print(f"finished: {steps} steps; {outcome}")
        return outcome


def _is_finished(phase: Phase, saved: Checkpoint, later: Sequence[Phase]) -> bool:
    """Whether a phase has taken its last step, and was validated after it: a later one goes on only then."""
    gone_on = any((other.folder / "last.pt").is_file() for other in later)
    return saved.step >= phase.settings.steps and (gone_on or validated(phase.folder, saved.step))


def _check_batch(phase: Phase) -> None:
    settings = phase.settings
    with phase.named():
        split_batch(settings.batch, settings.devices * settings.nodes, settings.micro_batch)


def _open(phase: Phase, before: Datasets | None = None) -> Datasets:
    """The data of a phase, of the same classes as those of the phases before."""
    with phase.named():
        datasets = open_datasets(build_task(phase.settings), phase.settings)
        if before is not None:
            advice = "every part of a run needs the same classes"
            check_same_classes(
                datasets[0].labels, before[0].labels, phase.settings.data.name, "the part before", advice
            )
    return datasets


def train_phase(
    phase: Phase,
    fabric: Fabric,
    stop: Callable[[], bool],
    *,
    saved: Checkpoint | None = None,
    datasets: Datasets | None = None,
    notes: Sequence[str] = (),
) -> Outcome:
    """Train one phase, or go on from what was ``saved``, on processes that are there already, until ``stop`` says so.

    ``notes`` are said once, before the first step.
    """
    settings, folder, task = phase.settings, phase.folder, build_task(phase.settings)
    trainer = build_trainer(task, settings, folder, fabric, saved=saved, datasets=datasets)
    with folder_lock(folder, fabric):
        if saved is None:
            on_rank_zero(fabric, lambda: check_new(folder))  # another run may have ended there meanwhile
        micro, turns = split_batch(settings.batch, fabric.world_size, settings.micro_batch)
        if turns > 1:
            whole = f"what looks at a whole batch (batch norm, OHEM) sees {micro}"
            notes = [*notes, f"{turns} turns of {micro} pictures a step: {whole}"]
        if saved is not None and saved.step < settings.steps:
            notes = [*notes, f"going on at step {saved.step} of {settings.steps}"]
        if fabric.is_global_zero:
            print("\n".join(notes), end="\n" if notes else "", flush=True)
        trainer.fit(stop)
    return Outcome(folder, trainer.step, settings.steps, trainer.best, task.score_title)
