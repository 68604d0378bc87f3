"""What the rules of ../heat.smk ask the configuration; no rules here."""


def temperature_file(kind):
    """The user's file of `air` or `surface` temperatures; nothing where there is none."""

    def file(wildcards):
        path = getattr(run_of(wildcards).config.temperature, kind).path
        return [] if path is None else str(expand(path, ROOT))

    return file


def temperature_confidence(wildcards):
    """The confidence of the cells, where unsure ones are to be left out."""
    run = run_of(wildcards)
    is_asked = run.config.temperature.least_confidence is not None
    return f"{run.folder}/confidence.tif" if is_asked else []


def temperature_arguments(wildcards, input):
    section = run_of(wildcards).config.temperature
    options = {
        "reference": section.reference,
        "border": section.border_m,
        "block": section.block_m,
        "confidence": input.confidence or None,
        "least-confidence": section.least_confidence,
    }
    for kind in ("air", "surface"):
        options[kind] = getattr(input, kind) or None
        said = getattr(section, kind).model_dump(exclude={"path"})
        options |= {f"{kind}-{key}": value for key, value in said.items()}
    return options_text(options)


def heat_files(run):
    """What a run makes of temperatures, and for taking them."""
    section = run.config.temperature
    measured = ["heat.json", "heat.csv", "heat.png"]
    proposed = ["sensors.gpkg", "sensors.json", "sensors.png"]
    names = (measured if section.air.path or section.surface.path else []) + (
        proposed if section.sensors else []
    )
    return [f"{run.folder}/heat/{name}" for name in names]
