"""What `ll.count` gives: a smear as arrays, tables, pictures and files."""

from leukolens.smear.records import SmearRecord


class SmearResult(SmearRecord):
    """A counted smear."""
