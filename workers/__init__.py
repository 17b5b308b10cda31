"""The running loop: sources, tracking, the camera loop, its supervision, and the management commands."""
