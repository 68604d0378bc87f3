"""What is made of a map: filtered map, confidence, comparison, information."""
