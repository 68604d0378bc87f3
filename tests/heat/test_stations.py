import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest

from lczmap.heat.stations import Stations, read_stations


def write(folder: Path, text: str, name: str = "stations.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_text(text, encoding=encoding)
    return path


def test_table_becomes_stations_by_times(tmp_path: Path) -> None:
    table = """id,lon,lat,time,temp_c
        a,13.1,52.1,2024-07-01T01:00,20.5
        b,13.2,52.2,2024-07-01T00:00,18
        a,13.1,52.1,2024-07-01T00:00,NA"""
    stations = read_stations(write(tmp_path, table))
    assert stations.names == ("a", "b") and stations.hours == (0, 1)
    assert stations.times == ("2024-07-01T00:00:00", "2024-07-01T01:00:00")
    np.testing.assert_array_equal(stations.values, [[np.nan, 20.5], [18.0, np.nan]])
    assert (stations.crs, stations.column, stations.unit) == ("EPSG:4326", "temp_c", "celsius")


def test_spreadsheet_with_semicolons_decimal_commas_and_old_encoding_is_read(tmp_path: Path) -> None:
    table = "Station;Longitude;Latitude;Temperature [°C]\nPark;13,1;52,1;-1,5\n"
    stations = read_stations(write(tmp_path, table, encoding="cp1252"))
    assert stations.values.tolist() == [[-1.5]] and stations.x.tolist() == [13.1]
    assert stations.times == ("",) and stations.unit == "celsius"


def test_row_number_is_no_station_where_a_name_is_there(tmp_path: Path) -> None:
    rows = [f"{k},{name},13.{name},52.1,2024-07-01T0{k // 2}:00,20" for k, name in enumerate("1212")]
    for column in ("name", "station_name", "site"):
        table = "\n".join([f"id,{column},lon,lat,time,temp_c", *rows])
        assert read_stations(write(tmp_path, table)).names == ("1", "2")


def test_row_number_as_the_only_station_is_refused(tmp_path: Path) -> None:
    table = "id,lon,lat,time,temp_c\n7,13.1,52.1,2024-07-01T00:00,20\n8,13.1,52.1,2024-07-01T01:00,21\n"
    with pytest.raises(ValueError, match="'7' and '8' of the column 'id' stand at one place and never measure at the"):
        read_stations(write(tmp_path, table))
    together = table.replace("01:00", "00:00")  # two thermometers on one mast
    assert read_stations(write(tmp_path, together)).names == ("7", "8")


def test_dates_have_no_hour_of_the_day(tmp_path: Path) -> None:
    table = "id,lon,lat,date,temp_c\na,13,52,2024-07-01,20\na,13,52,2024-07-02,21\n"
    stations = read_stations(write(tmp_path, table))
    assert stations.times == ("2024-07-01", "2024-07-02") and stations.hours == (None, None)
    stations = read_stations(write(tmp_path, table.replace("-02", "-02 00:00")))
    assert stations.times == ("2024-07-01", "2024-07-02T00:00:00") and stations.hours == (None, 0)


def test_crs_and_table_that_cannot_be_read_are_explained(tmp_path: Path) -> None:
    path = write(tmp_path, "id,x,y,t2m\na,400000,5800000,290\n")
    with pytest.raises(ValueError, match=r"stations .*expected a CRS.*got 'EPSG:999999'"):
        read_stations(path, crs="EPSG:999999")
    path = write(tmp_path, f"id,lon,lat,t2m,note\na,1,2,290,{'x' * 140_000}\n")
    with pytest.raises(ValueError, match=r"stations.csv: not a readable table \(field larger"):
        read_stations(path)


def test_x_and_y_need_their_crs(tmp_path: Path) -> None:
    path = write(tmp_path, "id,x,y,t2m\na,400000,5800000,290\n")
    with pytest.raises(ValueError, match=r"expected the CRS of x and y with `--air-crs` \(`temperature.air.crs`\)"):
        read_stations(path)
    assert read_stations(path, crs="EPSG:32633").crs == "EPSG:32633"


def test_points_of_a_geopackage_are_stations(tmp_path: Path) -> None:
    path = tmp_path / "stations.gpkg"
    points = gpd.points_from_xy([400_000, 401_000], [5_800_000, 5_801_000])
    gpd.GeoDataFrame({"name": ["a", "b"], "tair_k": [290.0, None]}, geometry=points, crs="EPSG:32633").to_file(path)
    stations = read_stations(path)
    assert (stations.crs, stations.unit, stations.names) == ("EPSG:32633", "kelvin", ("a", "b"))
    np.testing.assert_array_equal(stations.values, [[290.0], [np.nan]])


@pytest.mark.parametrize("ending", ["geojson", "fgb"])
def test_offsets_of_times_in_vector_files_are_kept(tmp_path: Path, ending: str) -> None:
    two_hours = timezone(timedelta(hours=2))
    times = [datetime(2024, 7, 20, 22, tzinfo=two_hours), datetime(2024, 7, 20, 23, tzinfo=two_hours)]
    table = {"station": ["a", "a"], "time": times, "temp_c": [20.0, 21.0]}
    path = tmp_path / f"stations.{ending}"
    gpd.GeoDataFrame(table, geometry=gpd.points_from_xy([13, 13], [52, 52]), crs="EPSG:4326").to_file(path)
    stations = read_stations(path)
    assert stations.times == ("2024-07-20T22:00:00+02:00", "2024-07-20T23:00:00+02:00")
    assert stations.hours == (22, 23) and stations.notes == ()


def test_one_instant_with_two_offsets_is_one_time(tmp_path: Path) -> None:
    features = [
        {
            "type": "Feature",
            "properties": {"station": name, "time": time, "temp_c": 20},
            "geometry": {"type": "Point", "coordinates": [13, 52]},
        }
        for name, time in (("a", "2024-07-20T22:00:00+02:00"), ("b", "2024-07-20T20:00:00Z"))
    ]
    text = json.dumps({"type": "FeatureCollection", "features": features})
    stations = read_stations(write(tmp_path, text, "stations.geojson"))
    assert stations.times == ("2024-07-20T20:00:00+00:00",) and stations.hours == (20,)
    assert stations.values.tolist() == [[20.0], [20.0]]


def clock(folder: Path, *rows: tuple[str, str]) -> Stations:
    """Stations a, b … with one value at each time, in this order of rows."""
    lines = [f"{name},13.{ord(name)},52,{time},{k}" for k, (name, time) in enumerate(rows)]
    return read_stations(write(folder, "\n".join(["station,lon,lat,time,temp_c", *lines])))


def test_hours_of_stations_with_different_offsets_are_in_utc(tmp_path: Path) -> None:
    first_a = ("a", "2024-07-20T22:00+02:00"), ("b", "2024-07-20T20:00Z")
    first_b = ("b", "2024-07-21T20:00Z"), ("a", "2024-07-21T22:00+02:00")
    for rows in ((*first_a, *first_b), (first_a[0], first_b[0])):
        stations = clock(tmp_path, *rows)
        assert stations.hours == (20, 20)
        assert stations.times == ("2024-07-20T20:00:00+00:00", "2024-07-21T20:00:00+00:00")
        assert stations.notes == (
            "times have the UTC offsets UTC, UTC+02:00, not all at the same stations: times and hours of the day are "
            "in UTC",
        )


def test_hours_follow_the_clock_of_all_stations_when_it_changes_to_winter_time(tmp_path: Path) -> None:
    year = ("2024-07-20T22:00+02:00", "2024-10-27T02:30+02:00", "2024-10-27T02:30+01:00", "2024-12-20T22:00+01:00")
    rows = [(name, time) for time in year for name in "ab"]
    stations = clock(tmp_path, *rows, ("c", year[0]))  # c measured in summer only
    assert stations.hours == (22, 2, 2, 22) and stations.notes == ()
    assert stations.times[1] == "2024-10-27T02:30:00+02:00"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("id,lon,lat,rain\na,1,2,3\n", "expected a column of temperatures.*columns are id, lon, lat, rain"),
        ("id,temp_c\na,1\n", "expected columns lon and lat, or x and y"),
        ("id,lon,lat,temp_c\n", "expected one row per station"),
        ("id,lon,lat,temp_c\na,1,2,warm\n", "line 2: expected a number in the column 'temp_c', got 'warm'"),
        ("id,lon,lat,temp_c\na,1,2,3\n\nb,13.4,52.5,20,1\n", "line 4: expected 4 fields.*found 5; is a decimal comma"),
        ("id,lon,lat,temp_c\na,1,2\n", "line 2: expected 4 fields as in the header, found 3; is it cut off"),
        ("id,lon,lat,temp_c,time\na,1,2,3,noon\n", "line 2: expected a time as in ISO 8601.*got 'noon'"),
        ("id,lon,lat,temp_c\na,1,2,3\na,1,2,4\n", "line 3: the station 'a' has a second value at no stated time"),
        ("id,lon,lat,temp_c\na,1,2,3\na,5,2,4\n", "line 3: the station 'a' was at 1.0, 2.0 and is at 5.0, 2.0"),
        (
            "id,lon,lat,temp_c,time\na,1,2,3,2024-07-01T00:00Z\na,1,2,3,2024-07-01T01:00\n",
            "expected times all with a UTC offset or all without one",
        ),
    ],
)
def test_bad_table_is_explained(tmp_path: Path, table: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_stations(write(tmp_path, table))


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none.csv: no such file"):
        read_stations(tmp_path / "none.csv")
