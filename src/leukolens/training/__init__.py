"""Floor 5: from recipes to runs to bundles. Each task has a folder; what tasks share stands here."""
