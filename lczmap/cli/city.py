"""Starting a city, and checking the installation."""
