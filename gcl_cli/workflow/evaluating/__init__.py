"""What `gcl evaluate` is made of: embeddings on disk, distances, memory, ranked lists."""
