"""The leukocyte count of a counter or a chamber: reads it with its unit, and refuses what no living person has."""

import math
import re

from leukolens.core.errors import UsageError

LEAST_PER_LITER, MOST_PER_LITER = 1e8, 1e12
"""Fewer than 0.1 or more than 1000 x 10^9 per litre is not seen in the living."""

EXAMPLES = "7.2e9/L, 7.2x10^9/L, 7.2 10*9/L, 7200/uL, 7.2 G/L or 7.2 K/uL"

_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_THOUSANDS = {"": 1.0, "k": 1e3, "thou": 1e3, "ths": 1e3, "g": 1e9, "gpt": 1e9, "giga": 1e9}
_IN_A_LITER = {"l": 1.0, "liter": 1.0, "litre": 1.0} | dict.fromkeys(("ul", "mcl", "mm3", "mm^3", "cmm"), 1e6)
_TIMES = "[x*\N{MULTIPLICATION SIGN}\N{MIDDLE DOT}]"
_WRITTEN = re.compile(
    r"(?P<number>\d*\.?\d+(?:e[+-]?\d+)?)"
    rf"(?:(?:\s*{_TIMES}\s*|\s+)10(?:\s*(?:\^|\*\*?|e)\s*(?P<power>\d{{1,2}})|(?P<raised>[⁰¹²³⁴⁵⁶⁷⁸⁹]{{1,2}})))?"
    r"(?:\s*(?P<thousands>k|thou|ths|gpt|giga|g)?\s*/\s*(?P<volume>[a-z]+\^?3?))?",
    re.IGNORECASE,
)


def parse_leukocyte_count(text: str) -> float:
    """Leukocytes per litre, from a count as counters print it. A number without a unit is taken per litre.

    Raises:
        UsageError: this is no such count, or no living person has it.
    """
    words = text.strip().lower().replace("µ", "u").replace("\N{GREEK SMALL LETTER MU}", "u").replace("mm³", "mm3")
    found = _WRITTEN.fullmatch(words)
    volume = _IN_A_LITER.get(found["volume"] or "l") if found else None
    if found is None or volume is None:
        raise UsageError(f"{text!r} is not a leukocyte count. Expected a number with its unit, such as {EXAMPLES}.")
    power = 10.0 ** int(found["power"] or (found["raised"] or "0").translate(_RAISED))
    return check_leukocyte_count(float(found["number"]) * power * _THOUSANDS[found["thousands"] or ""] * volume)


def check_leukocyte_count(per_liter: float) -> float:
    """The same number of leukocytes per litre.

    Raises:
        UsageError: no living person has it.
    """
    if math.isfinite(per_liter) and LEAST_PER_LITER <= per_liter <= MOST_PER_LITER:
        return per_liter
    meant = ""
    if LEAST_PER_LITER <= per_liter * 1e9 <= MOST_PER_LITER:
        meant = f" If {per_liter:g} x 10^9 per litre is meant, write {per_liter:g}e9."
    elif LEAST_PER_LITER <= per_liter * 1e6 <= MOST_PER_LITER:
        meant = f" If {per_liter:g} per microlitre is meant, write {per_liter:g}/uL."
    told = f"No living person has {per_liter:g} leukocytes per litre"
    raise UsageError(f"{told}. Expected {LEAST_PER_LITER:g} to {MOST_PER_LITER:g}, such as 7.2e9.{meant}")
