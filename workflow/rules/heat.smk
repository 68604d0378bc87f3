"""Rules: see lczmap/cli/heat.py."""
