"""The command line and the one-call Python interface."""
