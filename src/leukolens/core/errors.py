"""The exceptions that LeukoLens raises on purpose.

All packages raise these. `leukolens.cli` alone turns them into exit codes. The tree::

    LeukolensError
    ├── UsageError        an argument is wrong: nothing was done (exit 2)
    │   └── NothingRead   none of the inputs can be read (exit 3)
    ├── InputRefused      one image or one row cannot be used: the others are (exit 1)
    ├── DataError         a dataset, manifest, split or predictions file cannot be used (exit 3)
    ├── BundleError       a bundle's card and files do not agree, or one of them is unsafe (exit 3)
    └── TrainingError     a recipe or run cannot be trained, resumed or exported (exit 3)
"""


class LeukolensError(Exception):
    """The root of all. The message says what was expected, what was received and what to do."""


class UsageError(LeukolensError):
    """An argument is wrong, so nothing was done."""


class NothingRead(UsageError):
    """None of the inputs can be read, so nothing was done."""


class InputRefused(LeukolensError):
    """One image or row cannot be used. What works on many lists it as refused and goes on with the others."""


class DataError(LeukolensError):
    """A dataset, manifest, split or predictions file cannot be used."""


class BundleError(LeukolensError):
    """A bundle's card and files do not agree, or one of them is unsafe to open."""


class TrainingError(LeukolensError):
    """A recipe or run cannot be trained, resumed or exported."""
