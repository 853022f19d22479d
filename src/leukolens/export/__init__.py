"""Floor 3: finished runs to bundles that run without torch, with proof that both say the same."""
