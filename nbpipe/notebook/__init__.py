"""The notebook: what `%load_ext nbpipe` brings to a kernel."""
