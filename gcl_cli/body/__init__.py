"""People as meshes: the baked body, landmarks, the pose fit, rasterisers and assets."""
