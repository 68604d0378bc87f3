"""Draw a run's project.qgs with QGIS itself, headless: docs/qgis.png. Runs in the Python that QGIS was built for.

    QT_QPA_PLATFORM=offscreen /usr/bin/python3 benchmarks/render_qgis.py results/<city>/<period>/project.qgs qgis.png

On the left the project as it opens, with the legend that QGIS makes of the style; on the right the natural-colour
picture with the training areas, and the confidence.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from qgis.core import (  # type: ignore[import-not-found]
    QgsApplication,
    QgsLayoutExporter,
    QgsLayoutItemLabel,
    QgsLayoutItemLegend,
    QgsLayoutItemMap,
    QgsLayoutItemScaleBar,
    QgsLayoutPoint,
    QgsLayoutSize,
    QgsLegendStyle,
    QgsPrintLayout,
    QgsProject,
    QgsUnitTypes,
)
from qgis.PyQt.QtCore import QRectF  # type: ignore[import-not-found]
from qgis.PyQt.QtGui import QFont  # type: ignore[import-not-found]

MAP, OUTLINE, AREAS = "Local Climate Zones", "Area of interest", "Training areas"
PICTURE, CONFIDENCE = "Sentinel-2, natural colour", "Confidence (largest probability)"
LARGE_MM, SMALL_MM, LEGEND_MM, GAP_MM, TOP_MM = 126.0, 60.0, 48.0, 4.0, 8.0
PAGE_MM = (3 * GAP_MM + LARGE_MM + SMALL_MM + LEGEND_MM + GAP_MM, TOP_MM + LARGE_MM + GAP_MM)
DPI = 110


def place(item: Any, x: float, y: float, width: float, height: float) -> None:
    item.attemptMove(QgsLayoutPoint(x, y, QgsUnitTypes.LayoutMillimeters))
    item.attemptResize(QgsLayoutSize(width, height, QgsUnitTypes.LayoutMillimeters))


def add_text(layout: Any, text: str, x: float, y: float, width: float) -> None:
    label = QgsLayoutItemLabel(layout)
    label.setText(text)
    label.setFont(QFont("DejaVu Sans", 8))
    layout.addLayoutItem(label)
    place(label, x, y, width, 5)


def add_map(layout: Any, project: Any, names: list[str], x: float, y: float, side: float) -> Any:
    layers = [layer for name in names for layer in project.mapLayersByName(name)]
    view = QgsLayoutItemMap(layout)
    view.setRect(QRectF(0, 0, side, side))
    layout.addLayoutItem(view)
    place(view, x, y, side, side)
    view.setLayers(layers)
    view.zoomToExtent(project.viewSettings().defaultViewExtent())
    view.setFrameEnabled(False)
    return view


def add_legend(layout: Any, view: Any, x: float, y: float) -> None:
    legend = QgsLayoutItemLegend(layout)
    legend.setLinkedMap(view)
    legend.setAutoUpdateModel(False)
    root = legend.model().rootGroup()
    for node in list(root.findLayers()):
        if node.name() not in (MAP, OUTLINE):
            root.removeChildNode(node)
    for style in (QgsLegendStyle.Subgroup, QgsLegendStyle.SymbolLabel):
        legend.rstyle(style).setFont(QFont("DejaVu Sans", 7))
    legend.setSymbolHeight(3.2)
    legend.setSymbolWidth(5)
    layout.addLayoutItem(legend)
    place(legend, x, y, LEGEND_MM, LARGE_MM)


def add_scale_bar(layout: Any, view: Any, x: float, y: float) -> None:
    bar = QgsLayoutItemScaleBar(layout)
    bar.setStyle("Single Box")
    bar.setLinkedMap(view)
    bar.applyDefaultSize(QgsUnitTypes.DistanceKilometers)
    bar.setHeight(1.5)
    bar.setFont(QFont("DejaVu Sans", 7))
    layout.addLayoutItem(bar)
    place(bar, x, y, LEGEND_MM, 10)


def draw(project_path: Path, out_png: Path) -> None:
    project = QgsProject.instance()
    if not project.read(str(project_path)):
        sys.exit(f"{project_path}: QGIS cannot read it: {project.error()}")
    layout = QgsPrintLayout(project)
    layout.initializeDefaults()
    layout.pageCollection().page(0).setPageSize(QgsLayoutSize(*PAGE_MM, QgsUnitTypes.LayoutMillimeters))
    add_text(layout, f"{project.title()}: the project as it opens", GAP_MM, 2, LARGE_MM)
    large = add_map(layout, project, [OUTLINE, MAP, PICTURE], GAP_MM, TOP_MM, LARGE_MM)
    right = 2 * GAP_MM + LARGE_MM
    add_text(layout, "Natural colour, training areas", right, 2, SMALL_MM)
    add_map(layout, project, [OUTLINE, AREAS, PICTURE], right, TOP_MM, SMALL_MM)
    below = TOP_MM + LARGE_MM - SMALL_MM
    add_text(layout, "Confidence, 0 to 1", right, below - 4, SMALL_MM)
    add_map(layout, project, [OUTLINE, CONFIDENCE], right, below, SMALL_MM)
    add_legend(layout, large, right + SMALL_MM + GAP_MM, TOP_MM - 2)
    add_scale_bar(layout, large, right + SMALL_MM + GAP_MM, TOP_MM + LARGE_MM - 12)
    settings = QgsLayoutExporter.ImageExportSettings()
    settings.dpi = DPI
    settings.generateWorldFile = False
    if QgsLayoutExporter(layout).exportToImage(str(out_png), settings) != QgsLayoutExporter.Success:
        sys.exit(f"{out_png}: QGIS could not write the picture")


if __name__ == "__main__":
    application = QgsApplication([], False)
    application.initQgis()
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
