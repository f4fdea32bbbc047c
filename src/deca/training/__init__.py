"""Learning from photographs: data, losses, the three stages and their loop."""
