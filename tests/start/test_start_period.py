"""The period of a new city follows its latitude, and its file says why."""

from datetime import date
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from lczmap.cli import app
from lczmap.configfiles import load_configs
from lczmap.scenes.seasons import months_of
from lczmap.start.period import chosen_period, default_period

TODAY = date(2026, 2, 15)
CAPE_TOWN, LAGOS, LIMA, BERLIN = (
    "18.3,-34.0,18.7,-33.8",
    "3.2,6.4,3.5,6.7",
    "-77.2,-12.2,-76.9,-11.9",
    "13,52,13.5,52.5",
)


def start(folder: Path, box: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["init", "x", "--bbox", box, "--out", str(folder / "x.yaml"), *arguments])


@pytest.mark.parametrize(
    ("latitude", "expected"),
    [
        (52.5, ("2025-05-01", "2025-09-30")),
        (-33.9, ("2024-11-01", "2025-03-31")),  # that of 2025 to 2026 is not over
        (24.0, ("2025-05-01", "2025-09-30")),
        (-24.0, ("2024-11-01", "2025-03-31")),
        (6.5, ("2024-11-01", "2025-04-30")),
        (0.0, ("2024-11-01", "2025-04-30")),
        (-12.0, ("2025-05-01", "2025-10-31")),
    ],
)
def test_the_period_is_the_last_whole_season_of_the_place(latitude: float, expected: tuple[str, str]) -> None:
    period = default_period(latitude, TODAY)
    assert (period.start, period.end) == expected
    assert (period.mind is not None) == (abs(latitude) <= 23.5)


@pytest.mark.parametrize(
    ("today", "latitude", "end"),
    [
        (date(2026, 9, 30), 50, "2025-09-30"),
        (date(2026, 10, 1), 50, "2026-09-30"),
        (date(2026, 3, 31), -40, "2025-03-31"),
        (date(2026, 4, 1), -40, "2026-03-31"),
        (date(2026, 12, 31), -40, "2026-03-31"),
    ],
)
def test_a_season_counts_when_it_is_over(today: date, latitude: float, end: str) -> None:
    assert default_period(latitude, today).end == end


@pytest.mark.parametrize("latitude", [-35.0, -10.0, 10.0, 35.0])
def test_the_default_period_has_the_months_of_the_local_summer_or_of_the_drier_half_year(latitude: float) -> None:
    period = default_period(latitude, TODAY)
    first, last = date.fromisoformat(period.start), date.fromisoformat(period.end)
    count = (last.year - first.year) * 12 + last.month - first.month + 1
    months = {(first.month - 1 + k) % 12 + 1 for k in range(count)}
    (wanted,) = months_of("dry" if abs(latitude) < 23.5 else "local_summer", latitude)
    assert set(wanted) <= months


def test_half_a_period_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--start without --end: give both"):
        chosen_period("2024-05-01", None, 50, TODAY)
    result = start(tmp_path, BERLIN, "--end", "2024-09-30")
    assert "--end without --start" in str(result.exception) and list(tmp_path.iterdir()) == []


def test_a_southern_city_starts_with_its_own_summer(tmp_path: Path) -> None:
    result = start(tmp_path, CAPE_TOWN)
    assert result.exit_code == 0, result.exception
    (config,) = load_configs([tmp_path / "x.yaml"], root=tmp_path)
    assert (config.start.month, config.start.day, config.end.month, config.end.day) == (11, 1, 3, 31)
    assert config.end.year == config.start.year + 1 and config.end < date.today()
    assert "# Period: the last whole warm season at 33.9° S.\n" in (tmp_path / "x.yaml").read_text()
    assert f"period {config.period.replace('_', ' to ')}: the last whole warm season" in result.output
    assert "mind:" not in result.output


@pytest.mark.parametrize(("box", "months"), [(LAGOS, (11, 4)), (LIMA, (5, 10))])
def test_a_tropical_city_is_told_to_look_for_its_dry_season(tmp_path: Path, box: str, months: tuple[int, int]) -> None:
    result = start(tmp_path, box)
    (config,) = load_configs([tmp_path / "x.yaml"], root=tmp_path)
    assert (config.start.month, config.end.month) == months
    assert "- mind: " in result.output and "set it with --start and --end" in result.output
    assert "rule of thumb" in (tmp_path / "x.yaml").read_text()


def test_a_period_that_was_asked_for_is_kept_without_advice(tmp_path: Path) -> None:
    result = start(tmp_path, LAGOS, "--start", "2023-12-01", "--end", "2024-02-29")
    content = yaml.safe_load((tmp_path / "x.yaml").read_text())
    assert [str(content[key]) for key in ("start", "end")] == ["2023-12-01", "2024-02-29"]
    assert "mind:" not in result.output
