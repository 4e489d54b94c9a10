"""Verbs: one grammar for the shell and for the notebook, and how records are shown."""
