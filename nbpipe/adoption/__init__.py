"""An ordinary notebook as a pipeline: planned, written, run both ways and compared."""
