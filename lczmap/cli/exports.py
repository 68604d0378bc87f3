"""Vectors, Google Earth, catalogues and metadata."""
