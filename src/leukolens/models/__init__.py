"""Floor 1: torch networks, where their first weights come from, and one catalogue of them for all tasks."""
