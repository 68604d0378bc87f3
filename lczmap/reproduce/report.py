"""The report of a table: the paper's figures beside ours, with everything that a reader must know to judge them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from lczmap.classes import CLASSES
from lczmap.files import write_text
from lczmap.reproduce.results import REHEARSAL, Result, marks_of, read_result
from lczmap.reproduce.scores import deviation_text, mean_and_deviation
from lczmap.reproduce.tables import Row, Table, load_table

Results = Mapping[str, Sequence[Result]]

NO_RESULT = "no figure here is a So2Sat result"
PICTURES = {"confusion": "Confusion matrix", "tsne": "t-SNE of the features", "training": "Training curves"}
"""Pictures of a run, by file name without .png."""

_UNKNOWN = "–"


def tabulate_reproduction(table: str, paths: Sequence[Path], out: Path) -> None:
    """Write report.md of a table from the result.json files of its runs, which lie below the report's folder.

    ValueError for a file that is no result, or one of another table or row.
    """
    described = load_table(table)
    results: dict[str, list[Result]] = {}
    for path in paths:
        result = read_result(path)
        if result["table"] != table:
            raise ValueError(f"{path}: a result of the table {result['table']!r}, expected {table!r}")
        results.setdefault(described.row(result["row"]).id, []).append(result)
    links = {(r["row"], r["seed"]): f"{r['row']}/seed{r['seed']}" for rs in results.values() for r in rs}
    write_text(out, report_text(described, results, links))


def report_text(table: Table, results: Results, folders: Mapping[tuple[str, int], str]) -> str:
    """Return the report as Markdown; `folders` say where each row's and seed's pictures lie, relative to it."""
    rehearsal = is_rehearsal(results)
    title = f"# {table.title}" + (f": {REHEARSAL}, {NO_RESULT}" if rehearsal else "")
    blocks = [
        title,
        *_warnings(results),
        "## Figures",
        _figures(table, results, rehearsal),
        _FIGURES_NOTE,
        "## More figures",
        _more(table, results, rehearsal),
        _MORE_NOTE,
        f"## Recall of each class, percent{_mark(rehearsal)}",
        _recall(table, results),
        *_cities(table, results, rehearsal),
        "## Notes",
        "\n".join(f"- {note}" for note in (*table.notes, _OWN_CODE)),
        "## Protocols",
        _protocols(results),
        f"## Data{_mark(rehearsal)}",
        _data(results),
        "## Pictures",
        *_pictures(table, results, folders),
    ]
    return "\n\n".join(blocks) + "\n"


def is_rehearsal(results: Results) -> bool:
    """Return True where any run read other files than So2Sat's, or a shrunken protocol."""
    return any(r["data"]["rehearsal"] for rows in results.values() for r in rows)


def read_summary(path: Path) -> str:
    """Return the title, warnings and table of figures of a report.md; ValueError where it cannot be read."""
    try:
        return summary_of(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); `tabulate-reproduction` writes it") from error


def summary_of(report: str) -> str:
    """Return a report's title, warnings and table of figures."""
    return report.partition("## More figures")[0].strip()


def heading_of(result: Result) -> str:
    """Return what stands over a picture of one run: row, seed, protocol, and its warnings."""
    leaky = " (LEAKY)" if result["protocol"]["leaky"] else ""
    lines = [f"{result['label']}, seed {result['seed']}", f"protocol {result['protocol']['name']}{leaky}"]
    if result["data"]["rehearsal"]:
        lines.append(f"{REHEARSAL}: no So2Sat result")
    return "\n".join(lines)


_FIGURES_NOTE = (
    "Percent, kappa × 100; ours: mean ± standard deviation over the seeds, which share one split. An en dash: not "
    "known to us, or not run."
)
_MORE_NOTE = (
    "OAw gives partial credit to similar classes and is high by chance: the chance line is that of answers that know "
    "only the classes' shares. OA built and OA natural: right answers among patches whose reference is LCZ 1 to 10, or "
    "A to G. Parameters are those needed to classify, without a text tower."
)
_OWN_CODE = "No row runs its authors' code: networks and recipes are re-implementations, see docs/models.md."


def _warnings(results: Results) -> Iterator[str]:
    if is_rehearsal(results):
        reasons = sorted({r["data"]["rehearsal"] for rs in results.values() for r in rs if r["data"]["rehearsal"]})
        yield f"> **{REHEARSAL}: {NO_RESULT}.** It shows that the workflow runs, nothing else. {'. '.join(reasons)}."
    leaky = sorted({r["protocol"]["name"] for rs in results.values() for r in rs if r["protocol"]["leaky"]})
    if leaky:
        yield (
            f"> **LEAKY: {', '.join(leaky)}.** Patches that overlap are trained on and tested on: these figures say "
            "little about another city. Read them beside the protocol culture_10."
        )
    changed = {r["label"]: json.dumps(r["changed_options"]) for rs in results.values() for r in rs}
    if words := [f"{label} `{options}`" for label, options in changed.items() if options != "{}"]:
        yield f"> **CHANGED RECIPES.** The configuration replaced keys: {'; '.join(words)}."


def _mark(rehearsal: bool) -> str:
    return f" ({REHEARSAL})" if rehearsal else ""


def _figures(table: Table, results: Results, rehearsal: bool) -> str:
    mark = _mark(rehearsal)
    names = ("OA", "kappa", "AA")
    header = [f"{name}, {whose}" for name in names for whose in ("published", f"ours{mark}")]
    rows = []
    for row in table.rows:
        runs = results.get(row.id, ())
        pairs = [
            cell
            for name in ("oa", "kappa", "aa")
            for cell in (_percent(getattr(row.paper, name)), deviation_text(_values(runs, name)))
        ]
        name, source = _name(row, runs), row.paper.source
        rows.append([name, row.rules.description, _seeds(runs), *pairs, _difference(row, runs), source])
    return _markdown(["row", "protocol", "seeds", *header, "OA, difference", "published in"], rows)


def _difference(row: Row, runs: Sequence[Result]) -> str:
    """Return ours minus published in points; no difference is stated between a rehearsal and a paper."""
    if row.paper.oa is None or not runs or any(r["data"]["rehearsal"] for r in runs):
        return _UNKNOWN
    return f"{100 * (mean_and_deviation(_values(runs, 'oa'))[0] - row.paper.oa):+.2f}"


def _more(table: Table, results: Results, rehearsal: bool) -> str:
    mark = _mark(rehearsal)
    names = ("oaw", "oaw_chance", "oa_bu", "oa_nat")
    header = [f"{name}{mark}" for name in ("OAw", "OAw by chance", "OA built", "OA natural")]
    rows = []
    for row in table.rows:
        if runs := results.get(row.id):
            cells = [deviation_text(_values(runs, name)) for name in names]
            sizes = " / ".join(f"{runs[0]['data']['patches'][role]:,}" for role in ("train", "validation", "test"))
            epochs = ", ".join(str(r["training"][0].get("epochs", _UNKNOWN)) for r in runs if r["training"])
            seconds = deviation_text([r["train_seconds"] for r in runs], scale=1, digits=0)
            recipe, parameters = runs[0]["preset"] or "ready weights", f"{runs[0]['parameters']:,}"
            rows.append([_name(row, runs), *cells, sizes, parameters, recipe, epochs or _UNKNOWN, seconds])
    columns = ("patches, train / val / test", "parameters", "recipe", "epochs", "training, s")
    return _markdown(["row", *header, *columns], rows)


def _recall(table: Table, results: Results) -> str:
    rows = []
    for row in table.rows:
        if row.id in results:
            by_class = [[r["scores"]["recall"][c.index] for r in results[row.id]] for c in CLASSES]
            means = [mean_and_deviation(values)[0] for values in by_class]
            cells = [f"{100 * m:.0f}" if np.isfinite(m) else _UNKNOWN for m in means]
            rows.append([_name(row, results[row.id]), *cells])
    return _markdown(["row", *(c.label for c in CLASSES)], rows)


def _cities(table: Table, results: Results, rehearsal: bool) -> Iterator[str]:
    cities = sorted({city for rs in results.values() for r in rs for city in r["by_city"]})
    if not cities:
        return
    rows = []
    for row in table.rows:
        if row.id in results:
            found = [[r["by_city"].get(city, {}).get("oa") for r in results[row.id]] for city in cities]
            rows.append([_name(row, results[row.id]), *(deviation_text(values, digits=1) for values in found)])
    yield f"## OA of each tested city, percent{_mark(rehearsal)}"
    yield _markdown(["row", *cities], rows)


def _protocols(results: Results) -> str:
    used = {r["protocol"]["name"]: r["protocol"] for rs in results.values() for r in rs}
    return "\n".join(f"- `{name}`{' **LEAKY**' if p['leaky'] else ''}: {p['why']}." for name, p in sorted(used.items()))


def _data(results: Results) -> str:
    files = {name: f for rs in results.values() for r in rs for name, f in r["data"]["files"].items()}
    rows = []
    for name, file in sorted(files.items()):
        verdict = f"published: {file['known_as']}, by {file['by']}" if file["is_published"] else "NOT So2Sat's file"
        rows.append([name, f"{file['patches']:,}", verdict])
    return _markdown(["file", "patches", "what it is"], rows)


def _pictures(table: Table, results: Results, folders: Mapping[tuple[str, int], str]) -> Iterator[str]:
    for row in table.rows:
        for result in results.get(row.id, ())[:1]:
            folder = folders[row.id, result["seed"]]
            yield f"### {_name(row, [result])}, seed {result['seed']}, protocol {row.protocol}"
            yield "\n".join(f"![{words}]({folder}/{name}.png)" for name, words in PICTURES.items())


def _values(runs: Sequence[Result], name: str) -> list[float | None]:
    return [r["scores"][name] for r in runs]


def _name(row: Row, runs: Sequence[Result]) -> str:
    """Return the row's words, marked where it tests on ground that was trained on, or any run is a rehearsal."""
    marks = marks_of(leaky=row.rules.leaky, rehearsal=any(r["data"]["rehearsal"] for r in runs))
    return row.label.replace("|", "\\|") + marks


def _seeds(runs: Sequence[Result]) -> str:
    return ", ".join(str(r["seed"]) for r in runs) or "not run"


def _percent(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{100 * value:.2f}"


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
