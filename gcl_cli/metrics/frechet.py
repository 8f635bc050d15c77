"""The Frechet distance between two normal distributions (FID when the features are Inception's)."""

import torch
from torch import Tensor

from gcl_cli.errors import GclError


def statistics(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean [D] and sample covariance [D, D] of `features` [N, D], in float64; a GclError if N < 2."""
    if len(features) < 2:
        raise GclError(
            f"A covariance needs two pictures or more, found {len(features)}.", "Give a data set with more pictures."
        )
    features = features.double()
    mean = features.mean(dim=0)
    centred = features - mean
    return mean, centred.T @ centred / (len(features) - 1)


def frechet_distance(mean1: Tensor, covariance1: Tensor, mean2: Tensor, covariance2: Tensor) -> float:
    """|m1 - m2|^2 + Tr(C1 + C2 - 2 (C1 C2)^(1/2)) (Heusel et al., NeurIPS 2017), in the features' unit squared.

    means: [D]; covariances: [D, D], symmetric; they may be singular. With C1 = L L^T, the eigenvalues of C1 C2 are
    those of the symmetric L^T C2 L: a Cholesky decomposition and eigenvalues alone replace one general matrix root.
    """
    mean_term = (mean1.double() - mean2.double()).square().sum()
    first, second = covariance1.double(), covariance2.double()
    root = _root(first)
    product = root.T @ second @ root
    # rounding leaves zero eigenvalues slightly negative
    trace_of_root = torch.linalg.eigvalsh((product + product.T) / 2).clamp(min=0).sqrt().sum()
    return float(mean_term + first.trace() + second.trace() - 2 * trace_of_root)


def _root(covariance: Tensor) -> Tensor:
    """Some R [D, D] with R R^T = `covariance`; of a singular one (fewer pictures than D), by its eigenvectors."""
    root, failed = torch.linalg.cholesky_ex(covariance)
    if not int(failed):
        return root
    values, vectors = torch.linalg.eigh(covariance)
    return vectors * values.clamp(min=0).sqrt()
