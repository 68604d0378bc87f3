"""Write a table of measured against true shifts of simulated cities.

    python benchmarks/shift_error.py results/*/*/coregistration.json

Each city's truth is read from resources/simulation/<city>/truth.json in the working directory.
"""

import json
import sys
from pathlib import Path

PIXEL_M = 10


def rows(report: Path) -> list[str]:
    city = report.parent.parent.name
    truth = json.loads((Path("resources") / "simulation" / city / "truth.json").read_text())
    correction = {p["id"]: (p["correction_east_m"], p["correction_north_m"]) for p in truth["sentinel1"]}
    lines = []
    for scene, entry in json.loads(report.read_text())["scenes"].items():
        if entry["sensor"] != "sentinel-1":
            continue
        east, north = correction[scene]
        errors = (entry["measured_east_m"] - east, entry["measured_north_m"] - north)
        figures = [f"{error / PIXEL_M:+.3f}" for error in errors] + [f"{entry['sigma_m'] / PIXEL_M:.3f}"]
        direction = "ascending" if "_ascending_" in scene else "descending"
        lines.append(f"| {city} | {direction} | {' | '.join(figures)} |")
    return lines


def main() -> None:
    print("| city | pass | error east, px | error north, px | stated uncertainty, px |")
    print("|---|---|---|---|---|")
    for name in sys.argv[1:]:
        print("\n".join(rows(Path(name))))


if __name__ == "__main__":
    main()
