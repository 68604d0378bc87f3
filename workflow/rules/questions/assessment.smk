"""What the rules of the accuracy report and of the training areas ask the configuration; no rules here."""


def examined_stacks(wildcards):
    """The stacks that training areas are examined on: the first view of each sensor that the run sees."""
    run = run_of(wildcards)
    config = run.config
    seen = {sensor for model in config.models for sensor in config.sensors_of(model)}
    names = [stack_names(config, [sensor])[0] for sensor in sorted(seen)]
    return [f"{run.folder}/tiles/{tile}/{name}" for name in names for tile in run.tiles]


def field_argument(wildcards):
    field = run_of(wildcards).config.training.field
    return f"--field {shlex.quote(field)}" if field else ""


def is_retrained(run, model):
    """True where accuracy is drawn from trainings: of a forest that the run trains on the city's own areas."""
    own = run.config.learns_from_own_areas
    return own and model.name == "wudapt_rf" and model.is_trained


def chosen_model(wildcards):
    """The network of the wildcard `model`, or the main one."""
    return (
        model_of(wildcards)
        if hasattr(wildcards, "model")
        else run_of(wildcards).config.model
    )


def retraining_stacks(wildcards):
    """The stacks that a forest is trained on anew; none where the map stays."""
    run, model = run_of(wildcards), chosen_model(wildcards)
    if not is_retrained(run, model):
        return []
    return stacks(lambda w: run.config.sensors_of(model))(wildcards)


def resampled_map(wildcards):
    """The map whose test polygons are drawn anew; none where a forest is trained anew."""
    run, model = run_of(wildcards), chosen_model(wildcards)
    if is_retrained(run, model):
        return []
    return f"{map_folder(run, model.key)}/lcz.tif"


def bootstrap_threads(wildcards):
    """Trees grow on several threads; drawing polygons takes one."""
    return 8 if is_retrained(run_of(wildcards), chosen_model(wildcards)) else 1


def bootstrap_arguments(wildcards):
    """How `bootstrap-accuracy` draws: from trainings with the forest's recipe, or from the tested polygons."""
    run, model = run_of(wildcards), chosen_model(wildcards)
    if not is_retrained(run, model):
        return options_text(
            {"map": resampled_map(wildcards), "split": run.config.tested_split}
        )
    options = {
        "retrain": f"{run.folder}/tiles",
        "preset": model.preset,
        "options": json.dumps(model.options),
        "input": model.input,
        "patch-px": run.config.training.patch_px,
    }
    names = stack_names(run.config, run.config.sensors_of(model))
    return f"{options_text(options)} {' '.join(f'--stack {name}' for name in names)}"


def assessment_files(run):
    """The accuracy report's files and those on the training areas, where the city has areas.

    Where no area tests the maps, forests are still trained anew: each draw keeps areas for its own test.
    """
    config = run.config
    if not config.has_labels:
        return []
    files = [f"{run.folder}/area_quality.{kind}" for kind in ("json", "csv", "gpkg")]
    if config.accuracy.bootstraps:
        drawn = map_folders(run, lambda m: config.areas_test or is_retrained(run, m))
        files += [f"{folder}/bootstraps.json" for folder in drawn]
    if config.accuracy.bootstraps and config.areas_test:
        pictures = ("accuracy.png", "confusion.png", "calibration.png")
        files += [
            f"{folder}/{name}" for folder in map_folders(run) for name in pictures
        ]
    return files
