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


def checkpoint_arguments(wildcards, input):
    return " ".join(
        f"--checkpoint {shlex.quote(str(path))}" for path in input.checkpoints
    )
