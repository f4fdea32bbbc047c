"""The figures of `make bench-quality`, one module a figure."""
