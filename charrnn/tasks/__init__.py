"""One folder for each task a network can be trained for."""
