"""How well counts agree with counts: bias, limits of agreement, intraclass correlation."""
