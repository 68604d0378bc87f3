"""What the rules for QGIS ask the configuration; no rules here."""


def has_areas(run):
    """True where the city has training areas of its own to show, whether or not a network learns from them."""
    config = run.config
    return config.training.areas is not None or config.sentinel2.source == "simulate"


def drawn_areas(wildcards):
    """The file that people drew the training areas in, or that of the simulated city."""
    areas = run_of(wildcards).config.training.areas
    if areas is None:
        return f"resources/simulation/{wildcards.city}/training_areas.kml"
    return str(expand(areas, ROOT))


def shown_areas(wildcards):
    """The training areas in the run's folder, where the city has any."""
    run = run_of(wildcards)
    return f"{run.folder}/training_areas.gpkg" if has_areas(run) else []


def qgis_files(run):
    """The files for QGIS that a run makes: styles beside every class map, the project with its picture and outline."""
    names = (
        "lcz.qml",
        "lcz_filtered.qml",
        "confidence.qml",
    )
    exported = {"lcz_generator": "lcz_generator.qml", "wudapt": "lcz_wudapt.qml"}
    return [
        *(f"{folder}/{name}" for folder in map_folders(run) for name in names),
        *(
            f"{run.folder}/exports/{name}"
            for export, name in exported.items()
            if export in run.config.exports
        ),
        f"{run.folder}/project.qgs",
    ]
