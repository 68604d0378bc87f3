"""What the rules that map and report ask the configuration; no rules here."""


def stacks(sensors_of):
    """The tile stacks, of all views, of the sensors that `sensors_of(wildcards)` names, one tile or all."""

    def paths(wildcards):
        run = run_of(wildcards)
        names = [wildcards.tile] if hasattr(wildcards, "tile") else run.tiles
        return [
            f"{run.folder}/tiles/{tile}/{name}"
            for name in stack_names(run.config, sensors_of(wildcards))
            for tile in names
        ]

    return paths


def stack_names(config, sensors):
    return [stack_file(s, view) for s in sensors for view in config.stack_views(s)]


def shown_stacks(wildcards):
    """The stacks that a network of the run sees, and those of the picture; of all tiles."""
    run = run_of(wildcards)
    names = shown_stack_names(wildcards)
    return [f"{run.folder}/tiles/{tile}/{name}" for name in names for tile in run.tiles]


def shown_stack_names(wildcards):
    """Their names in a tile's folder: a command with all paths of a large city would be too long for the system."""
    config = run_of(wildcards).config
    seen = stack_names(config, sensors_of_run(wildcards))
    return list(dict.fromkeys([*seen, stack_names(config, ["sentinel-2"])[0]]))


def picture_stacks(wildcards):
    """The Sentinel-2 stacks that a map is shown beside: the first view of all tiles."""
    run = run_of(wildcards)
    name = stack_names(run.config, ["sentinel-2"])[0]
    return [f"{run.folder}/tiles/{tile}/{name}" for tile in run.tiles]


def sensors_of_model(wildcards):
    return run_of(wildcards).config.sensors_of(model_of(wildcards))


def sensors_of_main(wildcards):
    config = run_of(wildcards).config
    return config.sensors_of(config.model)


def sensors_of_run(wildcards):
    """The sensors that any network of the run sees."""
    config = run_of(wildcards).config
    return list(dict.fromkeys(s for m in config.models for s in config.sensors_of(m)))


def tile_files(name):
    """The tiles' files of this name, of the main network or of the wildcard `model`."""

    def paths(wildcards):
        run = run_of(wildcards)
        folder = map_folder(run, getattr(wildcards, "model", run.config.model.key))
        return [f"{folder}/tiles/{tile}/{name}" for tile in run.tiles]

    return paths


def mismatch_argument(wildcards):
    return (
        "--allow-level-mismatch"
        if run_of(wildcards).config.allow_level_mismatch
        else ""
    )


def truth_of(wildcards):
    if run_of(wildcards).config.sentinel2.source == "simulate":
        return f"resources/simulation/{wildcards.city}/truth.tif"
    return []


def map_folder(run, key):
    """The folder of a network's map: the run's own for the main one."""
    return run.folder if key == run.config.model.key else f"{run.folder}/models/{key}"


def map_folders(run, chosen=lambda model: True):
    """The folders of the maps of the networks that are chosen, the main one's first."""
    return [map_folder(run, m.key) for m in run.config.models if chosen(m)]


def reports_of(run):
    """The accuracy of every network where areas test it, and its agreement with its teacher where it has one."""
    folders, agreeing = map_folders(run), []
    if run.config.training.labels == "teacher":
        teacher = f"{run.folder}/models/{run.config.training.teacher}"
        agreeing = [folder for folder in folders if folder != teacher]
    assessed = folders if run.config.areas_test else []
    return [
        *(f"{folder}/accuracy.json" for folder in assessed),
        *(f"{folder}/agreement.json" for folder in agreeing),
    ]


def reports_of_all(name):
    reports = [path for run in RUNS.values() for path in reports_of(run)]
    return [path for path in reports if Path(path).stem == name]


def wanted_of(run):
    """Everything that a run makes; the report last, which shows the rest."""
    maps = [
        f"{folder}/{name}"
        for folder in map_folders(run)
        for name in (
            "lcz.tif",
            "lcz_filtered.tif",
            "confidence.tif",
            "probabilities.tif",
            "map.png",
        )
    ]
    public = map_folders(run, run.config.is_public)
    maps += [f"{folder}/reliability.md" for folder in public]
    if run.config.map.explanation:
        explained = map_folders(run, lambda model: model.has_text)
        maps += [f"{folder}/explanation.tif" for folder in explained]
    return [
        *maps,
        f"{run.folder}/coregistration.png",
        *reports_of(run),
        *assessment_files(run),
        *other_map_files(run),
        *heat_files(run),
        f"{run.folder}/run.json",
        *qgis_files(run),
        *export_files(run),
        *page_files(run),
    ]


def wanted_files():
    return [file for run in RUNS.values() for file in wanted_of(run)] + change_files()
