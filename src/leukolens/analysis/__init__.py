"""Floor 3: where decoding, running and judging meet. What `ll.classify` is; the doors only call it."""
