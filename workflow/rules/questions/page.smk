"""What the rules of ../page.smk ask the configuration; no rules here."""


def page_files(run):
    """The report of a run."""
    return [f"{run.folder}/report.html"]


def shown_files(wildcards):
    """Everything else that the run makes, and the city's changes: the page shows it or links to it."""
    run = run_of(wildcards)
    own = [path for path in wanted_of(run) if path not in page_files(run)]
    changes = f"results/{run.config.city}/changes/"
    return [*own, *(path for path in change_files() if path.startswith(changes))]


def assessed_of_all(wildcards):
    """What people measured on samples of the maps of all networks (`lczmap assess`), where they did."""
    folders = map_folders(run_of(wildcards))
    return [str(path) for folder in folders for path in find_assessed(Path(folder))]


def beside_files(run):
    """What steps make beside the files that are wanted: names of classes, colours, layers of the QGIS project."""
    names = (
        "lcz.tif.aux.xml",
        "lcz_filtered.tif.aux.xml",
        "lcz.clr",
        "lcz_filtered.clr",
    )
    exported = {
        "lcz_generator": ("lcz_generator.clr",),
        "wudapt": ("lcz_wudapt.clr", "lcz_wudapt.tif.aux.xml"),
    }
    own = ["rgb.tif", "aoi.geojson", "scenes.json", "coregistration.json"]
    if run.config.has_labels:
        own.append("training_areas.gpkg")
    return [
        *(f"{folder}/{name}" for folder in map_folders(run) for name in names),
        *(
            f"{run.folder}/exports/{name}"
            for export in run.config.exports
            for name in exported.get(export, ())
        ),
        *(f"{run.folder}/{name}" for name in own),
    ]


def made_arguments(wildcards, input):
    """The files that the page may show: those of this configuration, not what an earlier one left in the folder.

    Stacks are named once for all tiles: a command with all paths of a large city would be too long for the system.
    """
    run = run_of(wildcards)
    files = [
        f"--made {shlex.quote(str(path))}"
        for path in (*input.shown, *beside_files(run))
    ]
    stacks = [f"--stack {name}" for name in stack_names(run.config, ["sentinel-2"])]
    return " ".join([*files, *stacks])


def checkpoint_arguments(wildcards, input):
    return " ".join(
        f"--checkpoint {shlex.quote(str(path))}" for path in input.checkpoints
    )
