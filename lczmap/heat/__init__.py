"""Urban heat island: temperatures of the Local Climate Zones, and where to put thermometers."""
