"""Starting a city: its configuration from a place, what it will need, and whether this installation can run it."""
