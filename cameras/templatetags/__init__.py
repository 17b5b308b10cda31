"""What pages about cameras and people seen write the same way."""
