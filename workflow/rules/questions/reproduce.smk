"""What the rules that reproduce papers' tables ask the configuration; no rules here."""

from lczmap.reproduce.request import (
    chosen_rows,
    definition_of,
    edition_of,
    row_options,
)
from lczmap.reproduce.tables import load_table


def read_reproductions():
    """The tables of all configurations: {name: (its section, the chosen rows by their id)}."""
    found = {}
    for run in RUNS.values():
        section = run.config.reproduce
        if section is None:
            continue
        if found.setdefault(section.table, section) != section:
            raise WorkflowError(
                f"two configurations ask for the table {section.table}; run them one after the other"
            )
    try:
        sections = found.values()
        return {s.table: (s, chosen_rows(s, own_folder(s))) for s in sections}
    except ValueError as error:
        raise WorkflowError(str(error))


def own_folder(section):
    return None if section.so2sat is None else expand(section.so2sat, ROOT)


REPRODUCTIONS = read_reproductions()


def own_folders():
    """The folder of the user's files, which all tables of one call share."""
    folders = {own_folder(section) for section, _ in REPRODUCTIONS.values()}
    folders = sorted(folders - {None})
    if len(folders) > 1:
        raise WorkflowError(
            f"expected one folder as `reproduce.so2sat`, got {[str(f) for f in folders]}"
        )
    return folders


own_folders()  # a mistake is named when the configuration is read


def reproduction_of(wildcards):
    if wildcards.table not in REPRODUCTIONS:
        raise WorkflowError(
            f"no configuration has `reproduce: {{table: {wildcards.table}}}`; see config/reproduce/"
        )
    return REPRODUCTIONS[wildcards.table]


def reproduced_row(wildcards):
    rows = reproduction_of(wildcards)[1]
    if wildcards.row not in rows:
        raise WorkflowError(f"the row {wildcards.row} is not among {list(rows)}")
    return rows[wildcards.row]


def reproduction_files(table, names):
    """The files of every row and seed of a table."""
    section, rows = REPRODUCTIONS[table]
    return [
        f"results/reproduce/{table}/{row}/seed{seed}/{name}"
        for row in rows
        for seed in section.seeds
        for name in names
    ]


def reproduction_reports(wildcards):
    if not REPRODUCTIONS:
        raise WorkflowError(
            "no configuration has a section `reproduce`; name one: --configfile config/reproduce/<table>.yaml"
        )
    return [f"results/reproduce/{table}/report.md" for table in REPRODUCTIONS]


def so2sat_copies(wildcards):
    """The compact copies that a row's protocol reads."""
    section = reproduction_of(wildcards)[0]
    names = reproduced_row(wildcards).rules.files
    return [
        f"resources/so2sat/{edition_of(section, name)}/{name}/cache.json"
        for name in names
    ]


def own_so2sat(wildcards):
    """A file in the user's own folder."""
    folders = own_folders()
    if not folders:
        raise WorkflowError("no configuration names a folder as `reproduce.so2sat`")
    return str(folders[0] / f"{wildcards.file}.h5")


def own_so2sat_places(wildcards):
    """The places of a file's patches, where they lie beside it."""
    h5 = Path(own_so2sat(wildcards))
    geo = h5.with_name(f"{h5.stem}_geo.h5")
    return str(geo) if geo.is_file() else []


def ready_weights(wildcards):
    row = reproduced_row(wildcards)
    return f"resources/pretrained/{row.network}.safetensors" if row.ready else []


def reproduction_sources(wildcards, input):
    names = reproduced_row(wildcards).rules.files
    return " ".join(
        f"--source {shlex.quote(f'{name}={path}')}"
        for name, path in zip(names, input.copies)
    )


def reproduction_recipe(wildcards):
    """Keys of the recipe that the configuration replaces, as JSON."""
    section = reproduction_of(wildcards)[0]
    return json.dumps(row_options(section, wildcards.row), sort_keys=True)


def reproduction_palette(wildcards):
    """The palette of the first configuration that asks for the table."""
    section = reproduction_of(wildcards)[0]
    configs = (run.config for run in RUNS.values())
    return next(c.map.palette for c in configs if c.reproduce == section)


def reproduction_definition(wildcards):
    """What the row is, so that Snakemake runs it again when its table or preset changes."""
    section = reproduction_of(wildcards)[0]
    options = row_options(section, wildcards.row)
    return definition_of(reproduced_row(wildcards), options)
