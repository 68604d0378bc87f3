"""Rasters and tables for the LCZ Generator's users, UMEP, SUEWS and WRF."""
