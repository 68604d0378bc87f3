"""Small geo_em files as WPS writes them, and a map to lay over them."""

from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pyproj
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy.io import netcdf_file

SPHERE = 6_370_000  # metres; WRF's earth
URBAN = 13  # of 21 MODIS classes
WATER = 17


def lattice(
    shape: tuple[int, int], dx: float, centre: tuple[float, float], stagger: bool
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Latitudes and longitudes (y, x) of a Lambert domain's cell centres, or of their corners."""
    plane = pyproj.Proj(
        proj="lcc", a=SPHERE, b=SPHERE, lat_1=centre[1], lat_2=centre[1], lat_0=centre[1], lon_0=centre[0]
    )
    rows, cols = (n + stagger for n in shape)
    y, x = (np.arange(rows) - (rows - 1) / 2) * dx, (np.arange(cols) - (cols - 1) / 2) * dx
    lon, lat = plane(*np.meshgrid(x, y), inverse=True)
    return lat.astype(np.float32), lon.astype(np.float32)


def write_geo_em(
    path: Path,
    *,
    shape: tuple[int, int] = (16, 34),
    dx: float = 500.0,
    centre: tuple[float, float] = (15.0, 48.0),
    classes: int = 21,
    corners: bool = True,
    zones: bool = False,
) -> npt.NDArray[np.float32]:
    """Write a classic (64-bit offset) file with an urban block in crops, and water; return LU_INDEX (y, x).

    With `zones` the middle row begins with LU_INDEX 31..41 in order, as w2w writes them.
    """
    rows, cols = shape
    use = np.full(shape, 12, np.float32)
    use[: rows // 4] = 10
    use[rows // 2 : rows // 2 + 3, cols // 2 : cols // 2 + 4] = URBAN
    use[-2:, :3] = WATER
    if zones:
        use[rows // 2, :11] = np.arange(31, 42)
    fractions = (np.arange(1, classes + 1)[:, None, None] == use).astype(np.float32)
    green = np.linspace(0.1, 0.9, 12, dtype=np.float32)[:, None, None] * np.ones(shape, np.float32)
    lat, lon = lattice(shape, dx, centre, False)
    fields = {"XLAT_M": lat, "XLONG_M": lon, "LANDMASK": (use != WATER).astype(np.float32), "LU_INDEX": use}
    fields["HGT_M"] = np.zeros(shape, np.float32)
    with netcdf_file(path, "w", version=2) as target:
        sizes = {"Time": None, "DateStrLen": 19, "west_east": cols, "south_north": rows, "land_cat": classes}
        sizes |= {"month": 12, "west_east_stag": cols + 1, "south_north_stag": rows + 1}
        for name, size in sizes.items():
            target.createDimension(name, size)
        target.createVariable("Times", "S1", ("Time", "DateStrLen"))[0] = np.array(list("0000-00-00_00:00:00"), "S1")
        for name, field in fields.items():
            add(target, name, ("south_north", "west_east"), field, "M")
        add(target, "LANDUSEF", ("land_cat", "south_north", "west_east"), fractions, "M")
        add(target, "GREENFRAC", ("month", "south_north", "west_east"), green, "M")
        if corners:
            for name, field in zip(("XLAT_C", "XLONG_C"), lattice(shape, dx, centre, True), strict=True):
                add(target, name, ("south_north_stag", "west_east_stag"), field, "CORNER")
        target.TITLE = "OUTPUT FROM GEOGRID V4.5"
        target.MMINLU = "MODIFIED_IGBP_MODIS_NOAH"
        numbers = {"MAP_PROJ": 1, "NUM_LAND_CAT": classes, "ISURBAN": URBAN, "ISWATER": WATER, "ISLAKE": 21}
        places = {"CEN_LON": centre[0], "CEN_LAT": centre[1], "STAND_LON": centre[0], "MOAD_CEN_LAT": centre[1]}
        places |= {"TRUELAT1": centre[1], "TRUELAT2": centre[1], "DX": dx, "DY": dx}
        for name, value in (numbers | {key: np.float32(place) for key, place in places.items()}).items():
            setattr(target, name, value)
        target.corner_lats = np.linspace(47, 49, 16, dtype=np.float32)
        target.FLAG_MF_XY = 1
    return use


def add(
    target: netcdf_file, name: str, dimensions: tuple[str, ...], field: npt.NDArray[np.float32], stagger: str
) -> None:
    variable = target.createVariable(name, "f4", ("Time", *dimensions))
    variable[0] = field
    variable.FieldType, variable.MemoryOrder = 104, "XYZ" if field.ndim == 3 else "XY "
    variable.units, variable.stagger, variable.sr_x, variable.sr_y = "category", stagger, 1, 1
    variable.description = "Noah-modified 21-category IGBP-MODIS landuse" if name == "LANDUSEF" else name


def block_map(centre: tuple[float, float] = (15.0, 48.0)) -> tuple[npt.NDArray[np.uint8], GeoBox]:
    """A map of 3 × 6 blocks of 3 km (30 cells) around `centre`, codes 1..17 in order and 14 in the last, in UTM 33N."""
    codes = np.array([*range(1, 18), 14], np.uint8).reshape(3, 6).repeat(30, axis=0).repeat(30, axis=1)
    x, y = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32633", always_xy=True).transform(*centre)
    corner = Affine(100, 0, round(x, -2) - 9000, 0, -100, round(y, -2) + 4500)
    return codes, GeoBox(codes.shape, corner, "EPSG:32633")


def as_netcdf4(classic: Path, out: Path) -> None:
    """Write a classic file's content as NetCDF-4 with compressed variables, as xarray writes it."""
    with netcdf_file(classic, mmap=False) as source, h5py.File(out, "w", track_order=True) as target:
        for number, (name, size) in enumerate(source.dimensions.items()):
            scale = target.create_dataset(name, (size or 1,), ">f4", maxshape=(size,), track_order=True)
            scale.make_scale(f"This is a netCDF dimension but not a netCDF variable.{size or 1:10d}")
            scale.attrs["_Netcdf4Dimid"] = np.int32(number)
        for name, old in source.variables.items():
            new = target.create_dataset(
                name, data=old.data.astype(old.data.dtype.newbyteorder("=")), compression="gzip"
            )
            for axis, dimension in enumerate(old.dimensions):
                new.dims[axis].attach_scale(target[dimension])
            set_attributes(new, old._attributes)
        set_attributes(target, source._attributes)


def set_attributes(owner: h5py.Dataset | h5py.File, attributes: dict[str, object]) -> None:
    for key, value in attributes.items():
        owner.attrs[key] = np.bytes_(value) if isinstance(value, bytes) else np.atleast_1d(np.asarray(value))
