"""Products on your disk: SAFE products of both satellites, the So2Sat GUL layout."""
