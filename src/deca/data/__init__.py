"""What ships: the default head, the face networks and the demonstration photo."""
