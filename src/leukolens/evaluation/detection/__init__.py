"""Cells found beside cells that are there: matching, average precision, counts, the report."""
