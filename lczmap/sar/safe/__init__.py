"""What a Sentinel-1 product in SAFE format says: its files, manifest, annotation, look-up tables and images."""

from lczmap.sar.safe.container import Safe, open_safe
from lczmap.sar.safe.elements import parse_xml
from lczmap.sar.safe.manifest import bounds_of
from lczmap.sar.safe.product import POLARISATIONS, SlcProduct, find_slc, open_slc
from lczmap.sar.safe.swath import Burst, Swath, SwathPoints

__all__ = [
    "POLARISATIONS",
    "Burst",
    "Safe",
    "SlcProduct",
    "Swath",
    "SwathPoints",
    "bounds_of",
    "find_slc",
    "open_safe",
    "open_slc",
    "parse_xml",
]
