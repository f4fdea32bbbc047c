"""The head model: from parameters to a mesh, its landmarks, albedo and detail."""
