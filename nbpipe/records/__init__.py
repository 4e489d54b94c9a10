"""The nouns: what is written down, each frozen and checked, with the pure rules beside it."""
