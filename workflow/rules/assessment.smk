"""Rules: see lczmap/cli/assessment.py."""
