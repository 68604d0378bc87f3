"""What the rules that train, map and report ask the configuration; no rules here."""


def labels_of(wildcards):
    """What the patches are labelled by: training areas, or the map of the network that teaches."""
    run = run_of(wildcards)
    if run.config.training.labels == "teacher":
        return f"{run.folder}/models/{run.config.training.teacher}/probabilities.tif"
    if run.config.training.areas is None:
        return f"resources/simulation/{wildcards.city}/training_areas.kml"
    return str(expand(run.config.training.areas, ROOT))


def teacher_map(wildcards):
    return (
        labels_of(wildcards)
        if run_of(wildcards).config.training.labels == "teacher"
        else []
    )


def split_arguments(training):
    """How `select-patches` divides the labels into training, validation and test."""
    if training.labels == "teacher":
        return f"--teacher-half {training.half} --gap {training.gap_m}"
    field = f"--field {shlex.quote(training.field)} " if training.field else ""
    return f"{field}--validation {training.validation} --test {training.test} --seed {training.seed}"


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


def checkpoint_path(run, model):
    if model.checkpoint is not None:
        return str(expand(model.checkpoint, ROOT))
    if model.is_pretrained:
        return f"resources/pretrained/{model.name}.safetensors"
    return f"{run.folder}/models/{model.key}/checkpoint.safetensors"


def checkpoint_of_model(wildcards):
    return checkpoint_path(run_of(wildcards), model_of(wildcards))


def checkpoint_of_main(wildcards):
    run = run_of(wildcards)
    return checkpoint_path(run, run.config.model)


def ready_networks(wildcards):
    """The descriptions of networks that are ready before the run, and whose pixels the scenes must match."""
    config = run_of(wildcards).config
    if config.allow_level_mismatch:
        return []
    return [
        str(expand(m.checkpoint, ROOT).with_suffix(".json"))
        for m in config.models
        if m.checkpoint is not None
    ]


def pretrained_weights(wildcards):
    """The public network's weight file: the configured one, or the one to download."""
    for run in RUNS.values():
        for model in run.config.models:
            if model.name == wildcards.pretrained and model.weights is not None:
                return str(expand(model.weights, ROOT))
    return f"resources/pretrained/{wildcards.pretrained}.h5"


def tile_maps(wildcards, folder):
    return [
        f"{folder}/tiles/{tile}/probabilities.tif" for tile in run_of(wildcards).tiles
    ]


def tile_maps_of_main(wildcards):
    return tile_maps(wildcards, run_of(wildcards).folder)


def tile_maps_of_model(wildcards):
    return tile_maps(wildcards, f"{run_of(wildcards).folder}/models/{wildcards.model}")


def truth_of(wildcards):
    if run_of(wildcards).config.sentinel2.source == "simulate":
        return f"resources/simulation/{wildcards.city}/truth.tif"
    return []


def has_labels(config):
    return config.training.labels == "areas" and (
        config.training.areas is not None or config.sentinel2.source == "simulate"
    )


def map_folders(run):
    """The folder of every network's map, the main one's first."""
    return [run.folder, *(f"{run.folder}/models/{m.key}" for m in run.config.compare)]


def reports_of(run):
    """The accuracy of every network, or its agreement with its teacher, where there are labels."""
    if run.config.training.labels == "teacher":
        teacher = f"{run.folder}/models/{run.config.training.teacher}"
        return [
            f"{folder}/agreement.json"
            for folder in map_folders(run)
            if folder != teacher
        ]
    return (
        [f"{folder}/accuracy.json" for folder in map_folders(run)]
        if has_labels(run.config)
        else []
    )


def reports_of_all(name):
    reports = [path for run in RUNS.values() for path in reports_of(run)]
    return [path for path in reports if Path(path).stem == name]


def wanted_of(run):
    maps = [
        f"{f}/{name}"
        for f in map_folders(run)
        for name in ("lcz.tif", "probabilities.tif", "map.png")
    ]
    maps.append(f"{run.folder}/coregistration.png")
    return [*maps, *reports_of(run), f"{run.folder}/run.json"]


def wanted_files():
    return [file for run in RUNS.values() for file in wanted_of(run)]
