"""The tasks that models are trained for, by the word that stands in recipes, runs and cards."""

from enum import StrEnum


class Task(StrEnum):
    """What a model does: give a leukocyte its class, or find the cells of a field."""

    CLASSIFICATION = "classification"
    DETECTION = "detection"

    @property
    def model(self) -> str:
        """What a model of this task is called."""
        return "classifier" if self is Task.CLASSIFICATION else "detector"
