"""Using a finished LCZ map, ours or another: its class at places, and a part of it."""
