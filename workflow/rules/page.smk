"""Rules: see lczmap/cli/page.py."""
