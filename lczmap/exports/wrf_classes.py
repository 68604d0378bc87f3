"""Numbers of land classes: those of w2w's geo_em files, and those that WRF wants (land_categories.py)."""

W2W_CLASSES = 41
WRF_CLASSES = 61
FIRST_ZONE = 31
"""LU_INDEX of LCZ 1 among 41 classes."""
SHIFT = WRF_CLASSES - W2W_CLASSES
