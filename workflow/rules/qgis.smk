"""Rules: see lczmap/cli/qgis.py."""
