"""Reading a few variables of a NetCDF file, and copying one with some variables replaced.

Classic files (as WPS writes them) go through scipy, NetCDF-4 files (as w2w writes them) are HDF5 and go through h5py.
What is not replaced stays as it is: dimensions, variables, attributes and their types.
"""

from __future__ import annotations

import shutil
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import numpy.typing as npt
from scipy.io import netcdf_file

from lczmap.files import replacing

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Contents:
    """Variables by name, those that were asked for and are there, and all global attributes (text, numbers, arrays)."""

    variables: Mapping[str, Array]
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Replacement:
    """What a copy gets anew; `sizes` are new lengths of dimensions, `texts` attributes by (variable, name).

    A replaced variable keeps its dimensions and type. `numbers` are global attributes.
    """

    variables: Mapping[str, Array]
    sizes: Mapping[str, int]
    numbers: Mapping[str, int]
    texts: Mapping[tuple[str, str], str]


def read_netcdf(path: Path, names: Iterable[str]) -> Contents:
    """Read variables of a NetCDF file, classic or NetCDF-4; ValueError for a missing file or another format."""
    with _opened(path) as source:
        if isinstance(source, h5py.File):
            variables = {n: _native(source[n][:]) for n in names if n in source}
            own = {n: _plain(value) for n, value in source.attrs.items() if not n.startswith("_NC")}
            return Contents(variables, own)
        variables = {n: _native(source.variables[n][:]) for n in names if n in source.variables}
        return Contents(variables, {n: _plain(value) for n, value in source._attributes.items()})


def copy_netcdf(path: Path, out: Path, changes: Replacement) -> None:
    """Copy a NetCDF file with some variables, dimension lengths and attributes replaced; the format stays.

    ValueError where a variable that is not replaced lies on a dimension whose length changes.
    """
    with replacing(out) as temporary:
        if _format(path) == "classic":
            _copy_classic(path, temporary, changes)
        else:
            shutil.copyfile(path, temporary)
            with h5py.File(temporary, "r+") as target:
                _edit_hdf5(path, target, changes)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    is_classic = _format(path) == "classic"
    try:
        source = netcdf_file(path, mmap=False) if is_classic else h5py.File(path)
    except (OSError, ValueError, TypeError, LookupError) as error:  # what the two libraries raise at half a file
        raise ValueError(f"{path}: the NetCDF file is damaged ({error}); copy or make it again") from error
    with closing(source):
        yield source


def _format(path: Path) -> Literal["classic", "hdf5"]:
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    with path.open("rb") as stream:
        start = stream.read(8)
    if start[:4] in (b"CDF\x01", b"CDF\x02"):
        return "classic"
    if start == b"\x89HDF\r\n\x1a\n":
        return "hdf5"
    raise ValueError(
        f"{path}: expected a NetCDF file (classic, 64-bit offset or NetCDF-4); `nccopy -k nc4` converts others"
    )


def _copy_classic(path: Path, temporary: Path, changes: Replacement) -> None:
    with (
        _opened(path) as source,
        closing(netcdf_file(temporary, "w", version=source.version_byte)) as target,
    ):
        for name, value in (source._attributes | changes.numbers).items():
            setattr(target, name, np.int32(value) if name in changes.numbers else value)
        _check_dimensions(path, source.dimensions, changes)
        for name, size in source.dimensions.items():
            target.createDimension(name, changes.sizes.get(name, size))
        for name, old in source.variables.items():
            _check_resized(path, name, old.dimensions, changes)
            new = target.createVariable(name, old.data.dtype, old.dimensions)
            new[:] = changes.variables.get(name, old.data)
            for key, value in old._attributes.items():
                setattr(new, key, changes.texts.get((name, key), value))


def _edit_hdf5(path: Path, target: h5py.File, changes: Replacement) -> None:
    _check_dimensions(path, target, changes)
    scales = {name: _scales(item) for name, item in target.items() if isinstance(item, h5py.Dataset)}
    for name, dimensions in scales.items():
        _check_resized(path, name, dimensions, changes)
    resized = [name for name in changes.variables if set(scales[name]) & set(changes.sizes)]
    saved = {name: _detached(target[name], scales[name]) for name in resized}
    for name, size in changes.sizes.items():
        _resize_scale(target, name, size)
    for name, array in changes.variables.items():
        if name in resized:
            _create(target, name, array, scales[name], *saved[name])
        else:
            target[name][...] = array
    for (name, key), text in changes.texts.items():
        target[name].attrs[key] = np.bytes_(text)  # characters: WRF's Fortran does not read NetCDF strings
    for key, number in changes.numbers.items():
        target.attrs.modify(key, np.full_like(target.attrs[key], number))


def _scales(item: h5py.Dataset) -> tuple[str, ...]:
    """Return the names of a variable's dimensions; a dimension itself has none."""
    if item.is_scale:
        return ()
    return tuple(axis[0].name.strip("/") if len(axis) else "" for axis in item.dims)


def _detached(item: h5py.Dataset, dimensions: tuple[str, ...]) -> tuple[dict[str, tuple[Any, Any]], dict[str, Any]]:
    """Remove a variable and return its attributes with their types, and the options to create it again."""
    attributes = {k: (v, item.attrs.get_id(k).dtype) for k, v in item.attrs.items() if k != "DIMENSION_LIST"}
    kept = ("dtype", "compression", "compression_opts", "shuffle", "fillvalue")
    options = {option: getattr(item, option) for option in kept}
    for axis, dimension in enumerate(dimensions):
        item.dims[axis].detach_scale(item.file[dimension])
    del item.file[item.name]
    return attributes, options | {"shuffle": item.shuffle or None}


def _create(
    target: h5py.File,
    name: str,
    array: Array,
    dimensions: tuple[str, ...],
    attributes: Mapping[str, tuple[Any, Any]],
    options: Mapping[str, Any],
) -> None:
    shape = array.shape
    unlimited = [target[dimension].maxshape[0] is None for dimension in dimensions]
    maxshape = tuple(None if free else size for free, size in zip(unlimited, shape, strict=True))
    created = target.create_dataset(
        name, data=array.astype(options["dtype"]), maxshape=maxshape, track_order=True, **options
    )
    for axis, dimension in enumerate(dimensions):
        created.dims[axis].attach_scale(target[dimension])
    for key, (value, dtype) in attributes.items():
        created.attrs.create(key, value, dtype=dtype)


def _resize_scale(target: h5py.File, name: str, size: int) -> None:
    old = target[name]
    attributes = {k: (v, old.attrs.get_id(k).dtype) for k, v in old.attrs.items() if k == "_Netcdf4Dimid"}
    dtype = old.dtype
    del target[name]
    new = target.create_dataset(name, (size,), dtype=dtype, track_order=True)
    new.make_scale(f"This is a netCDF dimension but not a netCDF variable.{size:10d}")  # the NetCDF-4 format's words
    for key, (value, kind) in attributes.items():
        new.attrs.create(key, value, dtype=kind)


def _check_dimensions(path: Path, known: Container[str], changes: Replacement) -> None:
    for name in changes.sizes:
        if name not in known:
            raise ValueError(f"{path}: expected a dimension {name}, which it lacks")


def _check_resized(path: Path, name: str, dimensions: Iterable[str], changes: Replacement) -> None:
    on = sorted(set(dimensions) & set(changes.sizes))
    if on and name not in changes.variables:
        raise ValueError(f"{path}: variable {name} lies on dimension {on[0]} too, whose length would change")


def _native(array: Array) -> Array:
    return np.array(array, dtype=array.dtype.newbyteorder("="))


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace").rstrip("\x00")
    array = np.asarray(value)
    return array.reshape(-1)[0].item() if array.size == 1 and array.dtype.kind in "iuf" else value
