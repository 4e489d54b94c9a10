"""Definitions: from a function or a cell to a step, from a body to a graph."""
