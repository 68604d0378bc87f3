"""Rules: see lczmap/cli/products.py."""
