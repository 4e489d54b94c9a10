"""The shape of a pipeline: an immutable graph of named calls, and the order in it."""
