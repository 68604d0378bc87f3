"""What QGIS makes of a run's folder, as JSON on standard output. Runs in the Python that QGIS was built for, headless.

    python3 qgis_reader.py FOLDER WIDTH HEIGHT X,Y …

FOLDER holds project.qgs and its files. The project is drawn WIDTH × HEIGHT pixels large over the map's extent, once as
it opens and once with confidence.tif alone, and the colours at the places X,Y (pixels) are listed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from osgeo import gdal  # type: ignore[import-not-found]
from qgis.core import (  # type: ignore[import-not-found]
    QgsApplication,
    QgsLayerTreeLayer,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsPalettedRasterRenderer,
    QgsProject,
    QgsRasterLayer,
    QgsRasterSymbolLegendNode,
)
from qgis.PyQt.QtCore import QSize, Qt  # type: ignore[import-not-found]
from qgis.PyQt.QtGui import QColor  # type: ignore[import-not-found]


def legend(layer: Any) -> list[tuple[str, str]]:
    """Rows of the legend as (text, colour): the texts of the layer panel, the colours of the renderer."""
    nodes = layer.legend().createLayerTreeModelLegendNodes(QgsLayerTreeLayer(layer))
    texts = [node.data(Qt.DisplayRole) for node in nodes if isinstance(node, QgsRasterSymbolLegendNode)]
    colours = [colour.name() for _, colour in layer.renderer().legendSymbologyItems()]
    assert len(texts) == len(colours), (texts, colours)
    return list(zip(texts, colours, strict=False))


def drawn(project: Any, layers: list[Any], size: QSize, places: list[tuple[int, int]]) -> list[str]:
    settings = QgsMapSettings()
    settings.setLayers(layers)
    settings.setDestinationCrs(project.crs())
    settings.setExtent(project.mapLayersByName("Local Climate Zones")[0].extent())
    settings.setOutputSize(size)
    settings.setBackgroundColor(QColor("white"))
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    return [job.renderedImage().pixelColor(x, y).name() for x, y in places]


def attribute_table(path: Path) -> list[list[str]]:
    """Rows of GDAL's raster attribute table."""
    dataset = gdal.Open(str(path))
    table = dataset.GetRasterBand(1).GetDefaultRAT()
    return [
        [table.GetValueAsString(row, column) for column in range(table.GetColumnCount())]
        for row in range(table.GetRowCount())
    ]


def main(folder: Path, size: QSize, places: list[tuple[int, int]]) -> dict[str, Any]:
    project = QgsProject.instance()
    read = project.read(str(folder / "project.qgs"))
    nodes = project.layerTreeRoot().findLayers()
    shown = [node.layer() for node in nodes if node.isVisible()]
    confidence = project.mapLayersByName("Confidence (largest probability)")
    areas = project.mapLayersByName("Training areas")[0]
    bare = folder / "bare" / "lcz.tif"  # without style
    colour_map = QgsPalettedRasterRenderer.classDataFromFile(str(folder / "lcz.clr"))
    return {
        "read": read,
        "crs": project.crs().authid(),
        "layers": [(n.name(), n.isVisible(), n.layer().isValid(), n.layer().source()) for n in nodes],
        "legend": legend(QgsRasterLayer(str(folder / "lcz.tif"), "map")),
        "bare_legend": legend(QgsRasterLayer(str(bare), "map"))[:18],
        "clr": [(c.value, c.label, c.color.name(), c.color.alpha()) for c in colour_map],
        "areas": [(c.value(), c.label(), c.symbol().color().name()) for c in areas.renderer().categories()],
        "area_count": areas.featureCount(),
        "table": attribute_table(folder / "lcz.tif"),
        "colours": drawn(project, shown, size, places),
        "confidence": drawn(project, confidence, size, places),
    }


if __name__ == "__main__":
    application = QgsApplication([], False)
    application.initQgis()
    width, height = (int(text) for text in sys.argv[2:4])
    asked = [tuple(int(text) for text in place.split(",")) for place in sys.argv[4:]]
    print(json.dumps(main(Path(sys.argv[1]), QSize(width, height), asked)))
