"""Land classes of WRF: w2w's geo_em files of 41 classes become files of 61.

w2w 0.6.0 writes the built zones 1..10 (and E) as classes 31..40 (and 41) of 41. WRF reads that up to 4.4.1; from
4.4.2 on it wants 51..60 (and 61) of 61, so that they do not meet NLCD's 40 classes (wrf-model/WRF pull request 1786,
issues 1878 and 2159; matthiasdemuzere/w2w issue 125 and pull request 127).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from lczmap.exports.netcdf import Array, Contents, Replacement, copy_netcdf, read_netcdf
from lczmap.exports.wrf_classes import FIRST_ZONE, SHIFT, W2W_CLASSES, WRF_CLASSES

LEGENDS = ("MODIFIED_IGBP_MODIS_NOAH", "USGS")
"""Land-use data (MMINLU) whose own classes end before 31; w2w knows no others."""


def convert_geo_em(path: Path, out: Path) -> dict[int, int]:
    """Write w2w's geo_em file of 41 land classes with 61; return the number of cells of each zone, 11 for E.

    LU_INDEX 31..41 becomes 51..61, the fractions LANDUSEF move with it, NUM_LAND_CAT becomes 61; the rest stays. Also
    for the parents that w2w writes as `…_41.nc`, which hold no zones. ValueError for any other file, and where w2w has
    left cells without a number.
    """
    if out.exists() and out.samefile(path):
        raise ValueError(f"{out}: expected another name than the input's; the original is kept")
    contents = read_netcdf(path, ("LU_INDEX", "LANDUSEF", "GREENFRAC"))
    _check_attributes(path, contents)
    classes, fractions = _checked_fields(path, contents)
    description = f"modified {WRF_CLASSES}-category {'USGS' if _legend(contents) == 'USGS' else 'IGBP-MODIS'} landuse"
    changes = Replacement(
        variables={"LU_INDEX": renumbered(classes), "LANDUSEF": widened(fractions)},
        sizes={"land_cat": WRF_CLASSES},
        numbers={"NUM_LAND_CAT": WRF_CLASSES},
        texts={("LANDUSEF", "description"): description},
    )
    copy_netcdf(path, out, changes)
    zones, counts = np.unique(classes[classes >= FIRST_ZONE].astype(int), return_counts=True)
    return {int(zone) - FIRST_ZONE + 1: int(count) for zone, count in zip(zones, counts, strict=True)}


def renumbered(classes: Array) -> Array:
    """Return LU_INDEX (time, y, x) with 31..41 as 51..61."""
    return np.where(classes >= FIRST_ZONE, classes + SHIFT, classes).astype(classes.dtype)


def widened(fractions: Array) -> Array:
    """Return LANDUSEF (time, 41, y, x) as (time, 61, y, x): planes 31..41 (from 1) become 51..61."""
    wide = np.zeros((fractions.shape[0], WRF_CLASSES, *fractions.shape[2:]), fractions.dtype)
    wide[:, : FIRST_ZONE - 1] = fractions[:, : FIRST_ZONE - 1]
    wide[:, FIRST_ZONE - 1 + SHIFT :] = fractions[:, FIRST_ZONE - 1 :]
    return wide


def _legend(contents: Contents) -> str:
    return str(contents.attributes.get("MMINLU", "")).strip()


def _check_attributes(path: Path, contents: Contents) -> None:
    number = contents.attributes.get("NUM_LAND_CAT")
    if number == WRF_CLASSES:
        raise ValueError(f"{path}: it has {WRF_CLASSES} land classes already; WRF 4.4.2 and later read it as it is")
    if number != W2W_CLASSES:
        raise ValueError(
            f"{path}: expected NUM_LAND_CAT {W2W_CLASSES}, as in w2w's …_LCZ_params.nc and …_41.nc, got {number}; "
            "run w2w first"
        )
    if _legend(contents) not in LEGENDS:
        raise ValueError(
            f"{path}: expected land-use data {' or '.join(LEGENDS)} (MMINLU), got {_legend(contents)!r}, where classes "
            "above 30 may mean something else"
        )


def _checked_fields(path: Path, contents: Contents) -> tuple[Array, Array]:
    missing = sorted({"LU_INDEX", "LANDUSEF"} - set(contents.variables))
    if missing:
        raise ValueError(f"{path}: expected a geo_em file with {' and '.join(missing)}, which it lacks")
    classes, fractions = contents.variables["LU_INDEX"], contents.variables["LANDUSEF"]
    if fractions.ndim != 4 or fractions.shape[1] != W2W_CLASSES:
        raise ValueError(f"{path}: expected LANDUSEF (time, {W2W_CLASSES}, y, x), got {fractions.shape}")
    odd = _odd_values(classes)
    if odd:
        raise ValueError(
            f"{path}: expected LU_INDEX 1..{W2W_CLASSES} in every cell, got {odd[0]} in {odd[1]} cells; w2w leaves "
            "such cells where the map ends inside the domain (`lczmap check-domain`)"
        )
    green = contents.variables.get("GREENFRAC")
    if green is not None and not np.isfinite(green).all():
        raise ValueError(
            f"{path}: GREENFRAC has {int((~np.isfinite(green)).sum())} values that are no numbers: w2w takes the "
            "vegetation of built cells from the domain's own urban cells (ISURBAN), and there are none. Make the "
            "domain larger, or fill GREENFRAC yourself"
        )
    return classes, fractions


def _odd_values(classes: npt.NDArray[np.floating]) -> tuple[float, int] | None:
    bad = ~np.isfinite(classes) | (classes != np.rint(classes)) | (classes < 1) | (classes > W2W_CLASSES)
    return (float(classes[bad][0]), int(bad.sum())) if bad.any() else None
