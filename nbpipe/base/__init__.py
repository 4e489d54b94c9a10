"""The ground: clock, ids, digests, the log format and where a workspace keeps its files."""
