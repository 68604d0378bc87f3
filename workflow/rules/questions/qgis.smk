"""What the rules for QGIS ask the configuration; no rules here."""


def shown_areas(wildcards):
    """The training areas in the run's folder, where the city has any."""
    run = run_of(wildcards)
    return f"{run.folder}/training_areas.gpkg" if run.config.has_labels else []


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
