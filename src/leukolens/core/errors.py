"""The exceptions that LeukoLens raises on purpose.

Every room raises these; only `leukolens.cli` turns them into exit codes. The tree::

    LeukolensError
    ├── UsageError        the caller's words cannot be meant: nothing was done (exit 2)
    │   └── NothingRead   none of the inputs given could be read (exit 3)
    ├── InputRefused      one image or one row cannot be used: the rest goes on (exit 1)
    ├── DataError         a dataset, manifest, split or predictions file does not hold together (exit 3)
    ├── BundleError       a bundle's card and model do not hold together, or one of them is unsafe (exit 3)
    └── TrainingError     a recipe or run cannot be trained, resumed or exported (exit 3)
"""


class LeukolensError(Exception):
    """Anything that LeukoLens refuses; the message says what was expected, what came and what to do."""


class UsageError(LeukolensError):
    """The caller's words cannot be meant, so nothing was done."""


class NothingRead(UsageError):
    """None of the inputs given could be read, so nothing was done."""


class InputRefused(LeukolensError):
    """One image or row cannot be used; callers record it as refused and go on with the rest."""


class DataError(LeukolensError):
    """A dataset, manifest, split or predictions file does not hold together."""


class BundleError(LeukolensError):
    """A bundle's card and model do not hold together, or one of them is unsafe to open."""


class TrainingError(LeukolensError):
    """A recipe or run cannot be trained, resumed or exported."""
