"""What happened and what is so: logs that are written, and the projection that is asked."""
