"""Who is this face? People, watchlists, encrypted templates, the gallery, and the engine that computes."""
