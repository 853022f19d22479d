"""Floor 4: whole experiments. Trains the rungs of the ladder, judges them, and writes the table beside what was published."""
