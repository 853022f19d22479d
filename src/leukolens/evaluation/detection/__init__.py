"""Detections beside known cells: matching, average precision, causes of errors, the report."""
