"""What the rules of ../qgis.smk ask the configuration; no rules here."""
