"""Tests of the notebook's room: pure grammar, a real shell, a real kernel."""
