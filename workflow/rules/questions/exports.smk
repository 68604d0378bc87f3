"""What the rules that export a map ask the configuration; no rules here."""

from lczmap.evaluation.map_accuracy_files import find_assessed

# File of each export, as `exports` of the configuration names them
EXPORT_FILES = {
    "lcz_generator": "lcz_generator.tif",
    "wudapt": "lcz_wudapt.tif",
    "kmz": "lcz.kmz",
    "vector": "lcz.gpkg",
    "geoparquet": "lcz.parquet",
}


def accuracy_of(wildcards):
    """The accuracy of the main map, where there are areas to measure it on."""
    run = run_of(wildcards)
    return f"{run.folder}/accuracy.json" if run.config.areas_test else []


def assessed_of(wildcards):
    """What people measured on a sample of the main maps (`lczmap assess`), where they did."""
    return [str(path) for path in find_assessed(Path(run_of(wildcards).folder))]


def described_files(wildcards):
    """The files that a catalogue or a description of the run lists."""
    run = run_of(wildcards)
    wanted = [f for name, f in EXPORT_FILES.items() if name in run.config.exports]
    names = [
        "lcz.tif",
        "lcz_filtered.tif",
        "confidence.tif",
        "probabilities.tif",
        "map.png",
        "run.json",
    ]
    if run.config.areas_test:
        names.append("accuracy.json")
    return [
        *(f"{run.folder}/{name}" for name in names),
        *(f"{run.folder}/exports/{name}" for name in wanted),
    ]


def described_arguments(wildcards, input):
    """The options of the verbs that describe a run."""
    assessed = [options_text({"map-accuracy": path}) for path in input.assessed]
    return " ".join([options_text({"accuracy": input.accuracy or None}), *assessed])


def export_files(run):
    """The files that a run exports."""
    tables = {
        "wrf": ("wrf/urban_parameters.csv", "wrf/README.txt"),
        "stac": ("stac_item.json",),
        "metadata": ("metadata.json",),
    }
    tables |= {name: (file,) for name, file in EXPORT_FILES.items()}
    return [
        f"{run.folder}/exports/{file}"
        for name in run.config.exports
        for file in tables[name]
    ]
