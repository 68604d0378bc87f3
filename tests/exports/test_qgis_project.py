from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from made_city import made_codes, made_grid

from lczmap.exports.qgis_project import ProjectFiles, write_project
from lczmap.raster import write_class_map

GRID = made_grid()


@pytest.fixture
def lcz(tmp_path: Path) -> Path:
    write_class_map(tmp_path / "run" / "lcz.tif", made_codes(), GRID.cell_geobox, tags={})
    return tmp_path / "run" / "lcz.tif"


def test_a_project_names_only_the_files_that_there_are_relative_to_itself(lcz: Path):
    picture = lcz.parent.parent / "rgb.tif"
    picture.touch()
    project = lcz.with_name("project.qgs")
    write_project(ProjectFiles(lcz, picture=picture), project, title="Köln & Bonn")
    root = ET.parse(project).getroot()
    assert [source.text for source in root.iter("datasource")] == ["./lcz.tif", "../rgb.tif"]
    assert [n.get("name") for n in root.iter("layer-tree-layer")] == [
        "Local Climate Zones",
        "Sentinel-2, natural colour",
    ]
    assert root.findtext("title") == "Köln & Bonn"
    assert str(lcz.parent.parent) not in project.read_text()


def test_a_project_has_the_maps_crs_and_a_margin_around_the_map(lcz: Path):
    project = lcz.with_name("project.qgs")
    write_project(ProjectFiles(lcz), project, title="")
    root = ET.parse(project).getroot()
    assert root.findtext("projectCrs/spatialrefsys/authid") == "EPSG:32633"
    view = root.find("ProjectViewSettings/DefaultViewExtent")
    assert view is not None  # 1800 m × 600 m, 2 % more on each side
    assert [float(view.attrib[k]) for k in ("xmin", "ymin", "xmax", "ymax")] == [399964, 5799388, 401836, 5800012]


def test_a_file_that_is_not_there_is_named(lcz: Path):
    with pytest.raises(ValueError, match=r"confidence\.tif: no such file"):
        write_project(ProjectFiles(lcz, confidence=lcz.with_name("confidence.tif")), lcz.with_name("p.qgs"), title="")
    assert not lcz.with_name("p.qgs").exists()
