"""What nbpipe answers over HTTP: the REST server with its pages, and the server of a deployment."""
