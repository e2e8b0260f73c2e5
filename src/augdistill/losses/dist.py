"""DIST: relations of probabilities instead of their values (Huang et al. 2022, arXiv 2205.10536)."""

from torch import Tensor

from augdistill.base.checks import require
from augdistill.losses.shared import widened


def loss(
    student_logits: Tensor,
    teacher_probabilities: Tensor,
    targets: Tensor,
    temperature: float | Tensor,
    *,
    beta: float = 1.0,
    gamma: float = 1.0,
) -> Tensor:
    """Return T^2 (beta inter + gamma intra) of student logits and teacher's probabilities at T [B,K].

    Inter is 1 - Pearson's correlation of student and teacher over the classes of a sample, averaged over samples; intra
    that over the samples of the batch for one class, averaged over classes. `targets` are not used, no gradient reaches
    the teacher. Raises ConfigError for a negative weight.
    """
    for name, weight in (("beta", beta), ("gamma", gamma)):
        require(0 <= weight < 1e6, f"dist.{name}", weight, "a number from 0 to 1e6")
    student, teacher = (widened(student_logits) / temperature).softmax(dim=1), widened(teacher_probabilities.detach())
    inter, intra = (1 - pearson(student, teacher, dim=dim).mean() for dim in (1, 0))
    return temperature**2 * (beta * inter + gamma * intra)


def pearson(first: Tensor, second: Tensor, dim: int) -> Tensor:
    """Return the correlations along `dim` of two tensors [B,K]; 0 where one is constant.

    As in the authors' code 1e-8 is added to the product of the norms, so that a class to which nobody gives any
    probability weighs nothing.
    """
    first, second = (values - values.mean(dim=dim, keepdim=True) for values in (first, second))
    norms = first.norm(dim=dim) * second.norm(dim=dim)
    correlations: Tensor = (first * second).sum(dim=dim) / (norms + 1e-8)
    return correlations
