"""What did the cameras see? Cameras, sightings, history."""
