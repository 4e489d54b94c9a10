"""Snapshots: a pipeline written down so that it runs again by itself, and brought back to life."""
