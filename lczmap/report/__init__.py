"""The report of a city: one self-contained HTML page."""
