"""What a caller may ask of each noun: resolve, check, decide, query."""
