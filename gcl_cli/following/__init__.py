"""A training loop shown, recorded, and kept safe."""
