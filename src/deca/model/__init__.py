"""Compositions of the parts: from parameters to everything that they mean."""
