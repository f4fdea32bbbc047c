"""How near predictions are to the truth, by the protocols of the field's benchmarks."""
