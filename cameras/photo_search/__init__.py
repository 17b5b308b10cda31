"""Search by photo over people and over all past sightings."""
