"""Unsupervised person re-identification with generated views (GCL, CVPR 2021)."""

__version__ = "0.1.0"
