"""Rules: see lczmap/cli/exports.py."""
