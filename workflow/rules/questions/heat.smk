"""What the rules of ../heat.smk ask the configuration; no rules here."""


def temperature_file(kind):
    """The user's file of `air` or `surface` temperatures; nothing where there is none."""

    def path(wildcards):
        file = getattr(run_of(wildcards).config.temperature, kind)
        return [] if file is None else str(expand(file, ROOT))

    return path


def temperature_arguments(wildcards):
    section = run_of(wildcards).config.temperature
    files = {
        kind: temperature_file(kind)(wildcards) or None for kind in ("air", "surface")
    }
    wishes = ("unit", "reference", "time", "band", "column", "crs")
    return options_text(files | {name: getattr(section, name) for name in wishes})


def heat_files(run):
    """What a run makes of temperatures, and for taking them."""
    section = run.config.temperature
    measured = ["heat.json", "heat.csv", "heat.png"]
    proposed = ["sensors.gpkg", "sensors.json", "sensors.png"]
    names = (measured if section.air or section.surface else []) + (
        proposed if section.sensors else []
    )
    return [f"{run.folder}/heat/{name}" for name in names]
