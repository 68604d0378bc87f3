"""Heat island."""
