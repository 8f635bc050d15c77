"""Loops that yield what happened; state, memory bank, optimizers, augmentation, samplers."""
