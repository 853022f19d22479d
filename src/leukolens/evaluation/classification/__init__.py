"""Predicted classes beside true classes: figures, calibration, comparison of runs, the report."""
