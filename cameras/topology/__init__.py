"""The ways between cameras: stated, learned, and their pages."""
