"""What the rules that label, train, import, adapt and join networks ask the configuration; no rules here."""


def drawn_areas(wildcards):
    """The file that people drew the training areas in, or that of the simulated city."""
    areas = run_of(wildcards).config.training.areas
    if areas is None:
        return f"resources/simulation/{wildcards.city}/training_areas.kml"
    return str(expand(areas, ROOT))


def labels_of(wildcards):
    """What the patches are labelled by: training areas, or the map of the network that teaches."""
    run = run_of(wildcards)
    if run.config.training.labels == "teacher":
        return f"{run.folder}/models/{run.config.training.teacher}/probabilities.tif"
    return drawn_areas(wildcards)


def reference_patches(wildcards):
    """The cells of the city's areas, which test its maps; beside the patches where a teacher labels these."""
    run = run_of(wildcards)
    taught = run.config.training.labels == "teacher"
    return f"{run.folder}/{'reference' if taught else 'patches'}.gpkg"


def teacher_map(wildcards):
    return (
        labels_of(wildcards)
        if run_of(wildcards).config.training.labels == "teacher"
        else []
    )


def split_arguments(wildcards):
    """How `select-patches` divides the labels into training, validation and test."""
    training = run_of(wildcards).config.training
    if training.labels == "teacher":
        return f"--teacher-half {training.half} --gap {training.gap_m}"
    return area_arguments(wildcards)


def area_arguments(wildcards):
    """How `select-patches` reads areas and divides them; it stops where none can test a map that they shall test."""
    config = run_of(wildcards).config
    training = config.training
    field = f"--field {shlex.quote(training.field)} " if training.field else ""
    return (
        f"{field}--validation {training.validation} --test {training.test} --seed {training.seed} "
        f"--patch-px {training.patch_px}{' --must-test' if config.needs_test_polygons else ''}"
    )


def taught_runs(wildcards):
    """The runs whose patches a network learns from: its own city's, or those of all others."""
    configs = [run.config for run in RUNS.values()]
    chosen = learned_from(run_of(wildcards).config, configs)
    return [RUNS[config.city, config.period] for config in chosen]


def taught_grids(wildcards):
    return [f"results/{run.config.city}/grid.json" for run in taught_runs(wildcards)]


def taught_patches(wildcards):
    return [f"{run.folder}/patches.gpkg" for run in taught_runs(wildcards)]


def taught_tiles(wildcards):
    return [f"{run.folder}/tiles" for run in taught_runs(wildcards)]


def taught_stacks(wildcards):
    names = stack_names(run_of(wildcards).config, sensors_of_model(wildcards))
    return [
        f"{run.folder}/tiles/{tile}/{name}"
        for run in taught_runs(wildcards)
        for name in names
        for tile in run.tiles
    ]


def examined_areas(wildcards):
    """The findings on the training areas that a network learns from, where they are the city's own."""
    run = run_of(wildcards)
    own = run.config.learns_from_own_areas
    return [f"{run.folder}/area_quality.json"] if own else []


def tested_areas(wildcards):
    """The areas' table, where it shows that polygons can test, and a network of the run learns from another one."""
    table = reference_patches(wildcards)
    needed = run_of(wildcards).config.needs_test_polygons
    return [table] if needed and table not in taught_patches(wildcards) else []


def further_cities(wildcards):
    """The cities beyond the first that `train-model` learns from."""
    keys = ("further-grid", "further-patches", "further-tiles")
    paths = (
        taught_grids(wildcards),
        taught_patches(wildcards),
        taught_tiles(wildcards),
    )
    further = list(zip(*paths))[1:]
    return " ".join(options_text(dict(zip(keys, city))) for city in further)


def recipe_arguments(wildcards):
    """What `train-model` trains: architecture, recipe, channels, width of patches."""
    model = model_of(wildcards)
    training = run_of(wildcards).config.training
    options = {
        "name": model.name,
        "preset": model.preset,
        "options": json.dumps(model.options),
        "input": model.input,
        "patch-px": training.patch_px,
        "seed": training.seed,
    }
    return options_text(options)


def learned_checkpoint(run, model):
    """The checkpoint of a network as it was trained, imported or joined, before it is fitted to the city."""
    if model.checkpoint is not None:
        return str(expand(model.checkpoint, ROOT))
    if model.is_pretrained:
        return f"resources/pretrained/{model.name}.safetensors"
    name = "joined" if model.is_ensemble else "checkpoint"
    return f"{run.folder}/models/{model.key}/{name}.safetensors"


def checkpoint_path(run, model):
    """The checkpoint that a network maps with."""
    if model.is_adapted:
        return f"{run.folder}/models/{model.key}/adapted.safetensors"
    return learned_checkpoint(run, model)


def learned_checkpoint_of_model(wildcards):
    return learned_checkpoint(run_of(wildcards), model_of(wildcards))


def checkpoint_of_model(wildcards):
    return checkpoint_path(run_of(wildcards), model_of(wildcards))


def checkpoint_of_main(wildcards):
    run = run_of(wildcards)
    return checkpoint_path(run, run.config.model)


def member_checkpoints(wildcards):
    """The checkpoints that the members of an ensemble map with, in the order of the configuration."""
    run = run_of(wildcards)
    by_key = {m.key: m for m in run.config.models}
    return [checkpoint_path(run, by_key[key]) for key in model_of(wildcards).members]


def adaptation_arguments(wildcards):
    """How `adapt-model` fits a network to the city."""
    adapt = model_of(wildcards).adapt
    prior = "" if adapt.prior == "trained" else f"--prior {adapt.prior}"
    return f"{'--batch-norm' if adapt.batch_norm else ''} {prior}"


def stack_arguments(wildcards):
    """The names of the stacks of each tile that the wildcard `model` sees."""
    names = stack_names(run_of(wildcards).config, sensors_of_model(wildcards))
    return " ".join(f"--stack {name}" for name in names)


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
