"""The size of the refined Lee filter's window (refined_lee.py), for what needs to know its reach only."""

WINDOW_PX = 7
