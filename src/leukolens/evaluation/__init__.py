"""Floor 3: predictions to figures and reports. Sees no model."""
