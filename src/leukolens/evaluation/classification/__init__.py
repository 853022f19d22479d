"""Predicted classes beside true ones: metrics, calibration, comparison of runs, the report."""
