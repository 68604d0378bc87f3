"""Write how the global LCZ map (100 m) agrees with So2Sat label cells and WUDAPT polygons in two cities.

    python benchmarks/reference_cells.py --data DIR --out table.md

DIR is the folder of real data with `lcz_reference`; its GeoParquet files need pyarrow. Two maps of others are compared
here: it is the first run of the comparison on real files, and says nothing about lczmap's own maps.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path

from lczmap.evaluation.comparison import BLOCK_M, compare_map
from lczmap.evaluation.records import Report
from lczmap.files import write_text

CITIES = {"hongkong": "Hong Kong", "berlin": "Berlin"}
REFERENCES = {"so2sat": "So2Sat label cells", "wudapt": "WUDAPT polygons"}
WIDTHS_M = (BLOCK_M, 2 * BLOCK_M)
Reports = Mapping[tuple[str, str], Mapping[float, Report]]


def compare_all(folder: Path) -> dict[tuple[str, str], dict[float, Report]]:
    """Return the reports by (reference, city) and width of the blocks."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch, "comparison.json")
        return {
            (kind, city): {
                width: compare_map(
                    folder / f"lcz_reference_{city}.tif", folder / f"{kind}_{city}.parquet", out, block_m=width
                )
                for width in WIDTHS_M
            }
            for kind in REFERENCES
            for city in CITIES
        }


def agreement_table(reports: Reports) -> list[str]:
    wide = " | ".join(f"agreement, blocks of {width:g} m | worth" for width in WIDTHS_M)
    lines = [
        f"| reference | city | cells | outside, nodata | overlap | {wide} | built or natural | one class everywhere |",
        "|---" * (7 + 2 * len(WIDTHS_M)) + "|",
    ]
    for (kind, city), by_width in reports.items():
        first = by_width[BLOCK_M]
        intervals = " | ".join(f"{_interval(r['agreement'])} | {r['effective_cells']:.0f}" for r in by_width.values())
        lines.append(
            f"| {REFERENCES[kind]} | {CITIES[city]} | {first['cells']} | {first['outside_map']}, {first['nodata']} | "
            f"{first['overlap']:.1f} | {intervals} | {first['built_or_natural']['value']:.3f} | "
            f"{first['majority_baseline']['value']:.3f} |"
        )
    return lines


def class_table(reports: Reports, kind: str) -> list[str]:
    lines = ["| city | class | cells of the reference | of the map | recall | precision |", "|---" * 6 + "|"]
    for (of, city), by_width in reports.items():
        for row in by_width[BLOCK_M]["classes"] if of == kind else ():
            shares = " | ".join(f"{row[k]:.2f}" if math.isfinite(row[k]) else "–" for k in ("recall", "precision"))
            cells = f"{row['reference_cells']} | {row['map_cells']}"
            lines.append(f"| {CITIES[city]} | {row['label']} | {cells} | {shares} |")
    return lines


def _interval(figure: Mapping[str, float]) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the real data")
    parser.add_argument("--out", type=Path, required=True, help="Markdown file to write")
    options = parser.parse_args()
    reports = compare_all(options.data / "lcz_reference")
    tables = (
        ["Agreement of the global LCZ map; 95 % intervals from drawing blocks.", "", *agreement_table(reports)],
        ["Classes, So2Sat label cells.", "", *class_table(reports, "so2sat")],
    )
    write_text(options.out, "\n\n".join("\n".join(lines) for lines in tables) + "\n")


if __name__ == "__main__":
    main()
