"""Triangles to pixels: which triangle covers a pixel, and where in it."""
