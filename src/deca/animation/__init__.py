"""People in motion: wrinkles under any expression, movements and their transfer, and pictures of both."""
