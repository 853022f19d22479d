"""The split of a run, read only if it is the one that the run was trained with."""

from leukolens.core.errors import TrainingError
from leukolens.core.files import show_name
from leukolens.core.runs import FinishedRun, RunFolder, read_environment
from leukolens.datasets.splits import Split, read_split


def read_run_split(run: RunFolder) -> Split:
    """The split that a finished run was trained with.

    Raises:
        TrainingError: the run is not finished, or `split.json` was replaced after the training.
        DataError: the file does not read.
    """
    trained_with = read_environment(run, FinishedRun).split_hash
    split = read_split(run.split)
    if split.hash != trained_with:
        raise TrainingError(
            f"{show_name(str(run.split))} is not the split that the run was trained with: its hash is {split.hash[:12]}, "
            f"expected {trained_with[:12]} by environment.json. What was trained on is not known any more. Train it again."
        )
    return split
