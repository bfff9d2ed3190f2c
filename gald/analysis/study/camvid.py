"""The ablations of the GALD paper (BMVC 2019, Tables 1a to 1e; peers of 2a) on CamVid, with EfficientNet-Lite0.

Stride 16 as in the recipe ``camvid_lite0``, but without its stride-4 skip: the paper's networks have none, and what is
asked is whether local distribution brings back details that aggregation loses. A head that sees the fine map anyway
would answer for it. The price: poles and signs, of one to five pixels, come from cells of 16.

What is missing. PSANet of Table 2a: its weights belong to offsets, and a whole picture asks for many that no small crop
has, so they would never be trained. The authors' own, unregistered local distribution: it is in `gald.models.official`
only, differs in more than the registration (a ReLU before the sigmoid) and takes no map under 15x15, which the small
crops make (9x12).
"""

from dataclasses import replace

from gald.analysis.study.study import Study
from gald.config.recipes.small import CAMVID
from gald.config.settings import SegmentationConfig

# row -> global aggregation, local distribution, order
BLOCKS = {
    "fcn": ("none", "none", "ga-ld"),  # Table 1a
    "ld": ("none", "mask", "ga-ld"),
    "psp": ("psp", "none", "ga-ld"),  # Tables 1a and 1b: aggregations, each alone and with LD
    "psp_ld": ("psp", "mask", "ga-ld"),
    "aspp": ("aspp", "none", "ga-ld"),
    "aspp_ld": ("aspp", "mask", "ga-ld"),
    "nonlocal": ("nonlocal", "none", "ga-ld"),
    "nonlocal_ld": ("nonlocal", "mask", "ga-ld"),
    "cgnl": ("cgnl", "none", "ga-ld"),
    "cgnl_ld": ("cgnl", "mask", "ga-ld"),
    "psp_ldga": ("psp", "mask", "ld-ga"),  # the arrangements
    "psp_parallel": ("psp", "mask", "parallel"),
    "psp_ld_average": ("psp", "average", "ga-ld"),  # how the mask is made
    "psp_ld_bilinear": ("psp", "bilinear", "ga-ld"),
    "psp_gate": ("psp", "gate", "ga-ld"),  # three readings of the second paper
    "psp_window_affinity": ("psp", "window_affinity", "ga-ld"),
    "psp_dynamic_kernel": ("psp", "dynamic_kernel", "ga-ld"),
    "danet": ("danet", "none", "ga-ld"),  # of networks in Table 2a; the paper has none of them with LD
    "danet_ld": ("danet", "mask", "ga-ld"),
    "glore": ("glore", "none", "ga-ld"),
    "glore_ld": ("glore", "mask", "ga-ld"),
    "dense_aspp": ("dense_aspp", "none", "ga-ld"),
    "dense_aspp_ld": ("dense_aspp", "mask", "ga-ld"),
}


def camvid() -> Study:
    """The rows on a CPU, by a reduced protocol: crops of half the side (144x192), 600 steps of 8.

    Pictures are shrunk more than in camvid_full (0.4 to 1.1), so that a crop holds about as much of the street.
    No checkpoint is chosen on the way: the last step is measured. 6 minutes a row on one core; what came of it:
    results/camvid-study.md.
    """
    run = camvid_full().rows["fcn"]
    data = replace(run.data, crop=(144, 192), scale=(0.4, 1.1))
    loss = replace(run.loss, min_kept=25_000)
    return _study(replace(run, data=data, loss=loss, steps=600, val_every=0))


def camvid_full() -> Study:
    """The rows by the protocol of camvid_lite0, for a GPU: crops of 288x384, 1900 steps of 8. Not run."""
    return _study(replace(CAMVID, model=replace(CAMVID.model, skip=False), save_every=100))


def _study(run: SegmentationConfig) -> Study:
    """The rows of `BLOCKS`; each with LD is held against its aggregation alone, and variants against psp_ld."""
    rows = {
        name: replace(run, model=replace(run.model, ga=ga, ld=ld, order=order))
        for name, (ga, ld, order) in BLOCKS.items()
    }
    alone = [(name, ga) for name, (ga, ld, _) in BLOCKS.items() if ld != "none" and ga != "none"]
    variants = [
        (name, "psp_ld") for name, (ga, _, _) in BLOCKS.items() if ga == "psp" and name not in ("psp", "psp_ld")
    ]
    return Study(
        rows=rows,
        seeds=(0, 1, 2),
        reference="fcn",
        against=(*alone, *variants),
        apart=("Pole", "SignSymbol", "Pedestrian", "Bicyclist"),
    )
