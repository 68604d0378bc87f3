"""What a city run computes: every key with its type, unit and default. Nothing here says how or where to run.

configfiles.py reads it from YAML. Snakemake needs it when it parses, so this package imports pydantic and the
names of channels only.
"""

from lczmap.config.cities import check_apart, check_cities, learned_from
from lczmap.config.parts import PRETRAINED, Adapt, BoundingBox, Map, Model, Simulation, Training
from lczmap.config.products import EXPORTS, Accuracy, AirTemperature, OtherMap, SurfaceTemperature, Temperature
from lczmap.config.reproduce import Reproduce
from lczmap.config.run import Config
from lczmap.config.section import Section, Sensor
from lczmap.config.sensors import NAMED_HEIGHTS, NETWORK, ORBIT_KINDS, SEASONS, Sentinel1, Sentinel2

__all__ = [
    "EXPORTS",
    "NAMED_HEIGHTS",
    "NETWORK",
    "ORBIT_KINDS",
    "PRETRAINED",
    "SEASONS",
    "Accuracy",
    "Adapt",
    "AirTemperature",
    "BoundingBox",
    "Config",
    "Map",
    "Model",
    "OtherMap",
    "Reproduce",
    "Section",
    "Sensor",
    "Sentinel1",
    "Sentinel2",
    "Simulation",
    "SurfaceTemperature",
    "Temperature",
    "Training",
    "check_apart",
    "check_cities",
    "learned_from",
]
