"""Named runs. A recipe is a function that returns filled settings and says what they reach, and where that was run."""

from __future__ import annotations

from collections.abc import Callable

from gald.config import Settings
from gald.recipes import camvid, cityscapes, cityscapes_test, detection, scenes, streets

RECIPES: dict[str, Callable[[], Settings]] = {
    "synthetic": streets.synthetic,
    "camvid_lite0": streets.camvid_lite0,
    "cityscapes_r50_fcn": cityscapes.cityscapes_r50_fcn,
    "cityscapes_r50_aspp": cityscapes.cityscapes_r50_aspp,
    "cityscapes_r50_nonlocal": cityscapes.cityscapes_r50_nonlocal,
    "cityscapes_r50_psp": cityscapes.cityscapes_r50_psp,
    "cityscapes_r50_cgnl": cityscapes.cityscapes_r50_cgnl,
    "cityscapes_r50_ld": cityscapes.cityscapes_r50_ld,
    "cityscapes_r50_psp_ld": cityscapes.cityscapes_r50_psp_ld,
    "cityscapes_r50_aspp_ld": cityscapes.cityscapes_r50_aspp_ld,
    "cityscapes_r50_nonlocal_ld": cityscapes.cityscapes_r50_nonlocal_ld,
    "cityscapes_r50_cgnl_ld": cityscapes.cityscapes_r50_cgnl_ld,
    "cityscapes_r50_parallel": cityscapes.cityscapes_r50_parallel,
    "cityscapes_r50_ldga": cityscapes.cityscapes_r50_ldga,
    "cityscapes_r50_cgnl_ld_bilinear": cityscapes.cityscapes_r50_cgnl_ld_bilinear,
    "cityscapes_r50_cgnl_ld_average": cityscapes.cityscapes_r50_cgnl_ld_average,
    "cityscapes_r101_fcn": cityscapes.cityscapes_r101_fcn,
    "cityscapes_r101_cgnl": cityscapes.cityscapes_r101_cgnl,
    "cityscapes_r101_psp": cityscapes.cityscapes_r101_psp,
    "cityscapes_test_r50": cityscapes_test.cityscapes_test_r50,
    "cityscapes_test_r101": cityscapes_test.cityscapes_test_r101,
    "cityscapes_test_r101_coarse": cityscapes_test.cityscapes_test_r101_coarse,
    "cityscapes_test_r101_mapillary": cityscapes_test.cityscapes_test_r101_mapillary,
    "cityscapes_released_r50": cityscapes_test.cityscapes_released_r50,
    "ade20k_r50": scenes.ade20k_r50,
    "ade20k_r101": scenes.ade20k_r101,
    "pascal_context_r50": scenes.pascal_context_r50,
    "pascal_context_r101": scenes.pascal_context_r101,
    "coco_stuff_r50": scenes.coco_stuff_r50,
    "coco_stuff_r101": scenes.coco_stuff_r101,
    "camvid_r50_fcn": camvid.camvid_r50_fcn,
    "camvid_r50_ld": camvid.camvid_r50_ld,
    "camvid_r50_psp": camvid.camvid_r50_psp,
    "camvid_r50_psp_ld": camvid.camvid_r50_psp_ld,
    "camvid_r50_aspp": camvid.camvid_r50_aspp,
    "camvid_r50_aspp_ld": camvid.camvid_r50_aspp_ld,
    "camvid_r50_nonlocal": camvid.camvid_r50_nonlocal,
    "camvid_r50_nonlocal_ld": camvid.camvid_r50_nonlocal_ld,
    "camvid_r50_cgnl": camvid.camvid_r50_cgnl,
    "camvid_r50_cgnl_ld": camvid.camvid_r50_cgnl_ld,
    "shapes": detection.shapes,
    "bccd_lite0": detection.bccd_lite0,
    "coco_mini_lite0": detection.coco_mini_lite0,
}
