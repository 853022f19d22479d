"""What a source says of its dataset beside reading it: its home, its licence, whom to credit."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """Where a public dataset lives.

    Attributes:
        title: What it is, in a line.
        licence: As its authors state it.
        credit: Whom to name.
        home: The page where a person finds it.
        download: Address of the file itself; None where a person must fetch it.
        kaggle: Its handle on Kaggle, `owner/name`, where it lives there.
    """

    title: str
    licence: str
    credit: str
    home: str
    download: str | None = None
    kaggle: str | None = None
