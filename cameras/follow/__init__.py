"""Following one identity live."""
