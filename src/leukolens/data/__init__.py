"""Floor 2: any dataset becomes one manifest; images are decoded, splits made, leaks found. No torch."""
