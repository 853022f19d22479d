"""Counts beside true counts: bias and limits of agreement."""
