"""Sentinel-1 single-look complex (SLC) products: found, downloaded, made into channels on the city's pixels."""
