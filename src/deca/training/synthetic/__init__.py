"""Synthetic faces with everything known about them: light, wrinkles, what surrounds a head, the camera."""
