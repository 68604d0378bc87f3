"""Write one layer of points or polygons as GeoPackage, complete or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import shapely

from lczmap.files import replacing


def write_layer(
    path: Path,
    layer: str,
    geometries: npt.NDArray[Any],
    columns: Mapping[str, npt.NDArray[Any]],
    *,
    kind: Literal["Point", "Polygon"],
    crs: str,
) -> None:
    """Write shapely geometries (N,) of one `kind`, in `crs`, with columns (N,) by name, as the only layer of a file."""
    import pyogrio  # brings pandas and geopandas, half a second that only writing is worth

    buffer = BytesIO()  # in memory, because GDAL wants the final file ending
    pyogrio.raw.write(
        buffer,
        shapely.to_wkb(geometries),
        [values.astype(object) if values.dtype.kind == "U" else values for values in columns.values()],
        np.array(list(columns), dtype=object),
        geometry_type=kind,
        crs=crs,
        driver="GPKG",
        layer=layer,
        dataset_options={"VERSION": "1.2"},  # QGIS 3.22 warns of newer ones
    )
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getvalue())
