"""Predictions and detections beside ground truth: figures, calibration, comparison, reports. Never sees a model."""
