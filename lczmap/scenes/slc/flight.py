"""Where the satellite was while it took a product: from an orbit file, or as the product itself says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from lczmap.sar.orbit import OrbitFit, fit_orbit, parse_eof
from lczmap.sar.safe import SlcProduct, open_slc
from lczmap.scenes.slc.orbits import Acquisition, fetch_orbit, find_orbit


@dataclass(frozen=True)
class Flight:
    """A fitted orbit. `source` is POEORB, RESORB or product, `name` that of the file."""

    fit: OrbitFit
    source: str
    name: str


def choose_orbit(product: Path, wish: str, folder: Path) -> Path | None:
    """Return the orbit file of a product (SAFE folder or zip), None for the product's own orbit.

    `wish` is `product`, an EOF file or a folder of them, or what is fetched into `folder`: `precise`, `restituted`,
    `auto` (precise, else restituted). ValueError or ArchiveError where there is none that covers the product.
    """
    if wish == "product":
        return None
    acquisition = acquisition_of(open_slc(product))
    match wish:
        case "auto" | "precise" | "restituted":
            return fetch_orbit(acquisition, folder, kind=wish)
        case _:
            return find_orbit(Path(wish), acquisition)


def acquisition_of(product: SlcProduct) -> Acquisition:
    """Return what an orbit is asked for by."""
    start, stop = (product.epoch + timedelta(seconds=seconds) for seconds in (product.start_s, product.stop_s))
    return Acquisition(product.id, product.platform, start, stop)


def flight_of(product: SlcProduct, orbit: Path | None) -> Flight:
    """Fit the orbit during a product, from an EOF file or, None, the product's own state vectors.

    ValueError when the file is of another satellite or does not cover the product.
    """
    vectors = product.state_vectors
    if orbit is not None:
        vectors = parse_eof(orbit.read_bytes(), str(orbit), product.epoch, platform=product.platform)
    name = "the product's annotation" if orbit is None else orbit.name
    return Flight(fit_orbit(vectors, product.start_s, product.stop_s), vectors.source, name)
