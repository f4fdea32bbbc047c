"""Parameters by optimisation: analysis by synthesis."""
