"""Accuracy of the map from a probability sample."""
