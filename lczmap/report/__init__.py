"""The report page of a city run: one HTML file that needs nothing else."""
