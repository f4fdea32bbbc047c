"""From a picture file's pixels to faces, landmarks and crops."""
