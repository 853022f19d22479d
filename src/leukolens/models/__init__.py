"""Floor 2: pure torch networks, where their first weights come from, and one plain catalogue of them."""
