"""What the rules of ../products.smk ask the configuration; no rules here."""


def other_map_of(wildcards):
    """The section of `other_maps` that the wildcard `other` names."""
    for other in run_of(wildcards).config.other_maps:
        if other.name == wildcards.other:
            return other
    raise WorkflowError(
        f"no map {wildcards.other!r} in `other_maps` of {wildcards.city}"
    )


def other_map_file(wildcards):
    return str(expand(other_map_of(wildcards).path, ROOT))


def compared_map(wildcards):
    """The map of the run that the other one is compared with: lcz.tif or lcz_filtered.tif."""
    return f"{run_of(wildcards).folder}/{other_map_of(wildcards).against}.tif"


def other_map_band(wildcards):
    return other_map_of(wildcards).band


def other_map_files(run):
    """What compare_maps makes of a run's other maps, and their styles."""
    return [
        f"{run.folder}/other_maps/{other.name}/{name}"
        for other in run.config.other_maps
        for name in (
            "agreement.json",
            "difference.tif",
            "difference.qml",
            "other.tif",
            "other.qml",
            "difference.png",
        )
    ]


def change_files():
    """What map_change makes of every two consecutive periods of a city of this call."""
    periods = {}
    for run in sorted(RUNS.values(), key=lambda r: (r.config.start, r.config.end)):
        periods.setdefault(run.config.city, []).append(run.config.period)
    return [
        f"results/{city}/changes/{earlier}_to_{later}/{name}"
        for city, names in periods.items()
        for earlier, later in zip(names, names[1:])
        for name in ("change.tif", "change.json", "change.png")
    ]
