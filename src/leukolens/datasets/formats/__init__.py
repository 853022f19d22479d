"""Readers of annotation formats: class folders, Pascal VOC, YOLO.

What a class name or number means in one dataset is known to that dataset's source, which hands it in.
"""
