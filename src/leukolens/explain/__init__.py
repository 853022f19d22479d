"""Floor 3: where the network of a run looked. Torch lives here; bundles have `leukolens.runtime.heatmap`."""
