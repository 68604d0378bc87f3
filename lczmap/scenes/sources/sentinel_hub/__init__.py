"""Sentinel Hub and the Copernicus Data Space: search, then pictures made on request."""
