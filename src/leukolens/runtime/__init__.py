"""Floor 2: bundles on ONNX Runtime; arrays in, arrays out. No files but the bundle's own."""
