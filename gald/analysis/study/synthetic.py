"""A study on drawn streets, to try the command with."""

from dataclasses import replace

from gald.analysis.study.study import Study
from gald.config.recipes.small import SYNTHETIC
from gald.config.settings import SegmentationDataConfig


def synthetic() -> Study:
    """PSP with and without LD on drawn streets of 32x64, two seeds: a minute or two on a CPU. To try the command."""
    run = replace(
        SYNTHETIC,
        data=SegmentationDataConfig(name="synthetic", crop=(32, 64), scale=(0.75, 1.5), drawn_size=(32, 64)),
        steps=20,
        val_every=0,
        save_every=10,
    )
    psp = replace(run, model=replace(run.model, ga="psp", ld="none"))
    psp_ld = replace(run, model=replace(run.model, ga="psp", ld="mask"))
    return Study(
        rows={"psp": psp, "psp_ld": psp_ld}, seeds=(0, 1), reference="psp", apart=("pole", "sign"), pretrained=False
    )
