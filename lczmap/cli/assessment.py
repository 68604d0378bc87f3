"""Quality of training areas, and the accuracy report on reference polygons."""
