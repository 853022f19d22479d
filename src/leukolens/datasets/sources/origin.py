"""Where a public dataset lives, its licence and whom to credit."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """Where a public dataset lives.

    Attributes:
        title: What it is, in one line.
        licence: As its authors state it.
        credit: Whom to name.
        home: Its web page.
        download: Address of the file. None if it has to be downloaded by hand or from Kaggle.
        kaggle: Its name on Kaggle, `owner/name`, if it is there.
    """

    title: str
    licence: str
    credit: str
    home: str
    download: str | None = None
    kaggle: str | None = None
