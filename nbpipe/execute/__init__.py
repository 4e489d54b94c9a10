"""Execution: a plan from keys, a worker for one step, and the driver that walks the graph."""
