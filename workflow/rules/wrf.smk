"""Rules: see lczmap/cli/wrf.py."""
