"""The report of a city."""
