"""Google's public bucket of Sentinel-2 L1C."""
