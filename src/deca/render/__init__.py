"""From a mesh, its albedo and light to a picture."""
