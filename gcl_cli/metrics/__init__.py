"""Ranking (CMC, mAP, mINP), Frechet distance and SSIM: pure functions."""
