"""lczmap: Local Climate Zone maps of cities from Sentinel-1 and Sentinel-2 scenes."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("lczmap")
except PackageNotFoundError:  # imported from a clone that is not installed, as Snakemake's conda jobs do
    __version__ = "0.1.0"
