"""Bytes under their digest, values as bytes and back, and the one place that loads an artifact."""
