"""Files for other programs: styles and projects for QGIS, rasters for models, vectors, catalogues, metadata."""
