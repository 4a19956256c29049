"""Fee rates of transactions that depend on each other: what miners and nodes order a mempool by."""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livetrading.blockchain.domain import DomainError, int_of
from livetrading.blockchain.mempool_math import fee_rate

__all__ = ["mining_scores", "package_rates"]

Array = NDArray[np.float64]
Parents = Sequence[Collection[int]]


def package_rates(
    fees: ArrayLike, vbytes: ArrayLike, parents: Parents | None = None, *, simple: bool = False
) -> Array:
    """Rate at which each transaction can be had: no better than it and its unconfirmed ancestors together.

    Parameters
    ----------
    fees, vbytes : array_like of int, shape (n,)
        Satoshi, >= 0, and vB, >= 1.
    parents : sequence of collections of int, length n, optional
        Of each transaction the indices of those in the mempool whose outputs it spends; none unless given.
    simple : bool
        Plain rates, fee / vB, whatever a transaction depends on.

    Returns
    -------
    ndarray of float64, shape (n,)
        min(own rate, ancestors' fees / ancestors' vB), sat/vB, a transaction counted among its ancestors. A
        parent whose child pays for it is underrated; see `mining_scores`.

    Raises
    ------
    DomainError
        If lengths differ, a value is outside its range, or a parent is no other transaction or a descendant.
    """
    fee, size, above = _checked(fees, vbytes, parents)
    own = np.asarray(fee_rate(fee, size))
    if simple:
        return own
    whole = [fee[list(group)].sum() / size[list(group)].sum() for group in _ancestors(above)]
    return np.minimum(own, np.array(whole, np.float64))


def mining_scores(fees: ArrayLike, vbytes: ArrayLike, parents: Parents | None = None) -> Array:
    """Rate at which each transaction is mined, children that pay for their parents included.

    Parameters
    ----------
    fees, vbytes, parents
        As in `package_rates`.

    Returns
    -------
    ndarray of float64, shape (n,)
        sat/vB of the chunk in which it leaves.

    Raises
    ------
    DomainError
        As `package_rates`.

    Notes
    -----
    Transactions are lined up by taking again and again the one with the best rate of itself and the ancestors
    that are still there, those first. A chunk of the line whose rate is above that of the chunk before it
    joins it, so that rates fall along each cluster. This is the order of a node's block assembly; where
    several children pay for several parents a better one may exist.
    """
    fee, size, above = _checked(fees, vbytes, parents)
    scores = np.empty(len(fee))
    for cluster in _clusters(above):
        chunks: list[tuple[int, int, list[int]]] = []
        for group in _line(cluster, fee, size, _ancestors(above)):
            paid, held, members = int(fee[group].sum()), int(size[group].sum()), group
            while chunks and paid * chunks[-1][1] > chunks[-1][0] * held:
                before = chunks.pop()
                paid, held, members = paid + before[0], held + before[1], before[2] + members
            chunks.append((paid, held, members))
        for paid, held, members in chunks:
            scores[members] = paid / held
    return scores


def _line(
    cluster: list[int], fee: NDArray[np.int64], size: NDArray[np.int64], ancestors: list[set[int]]
) -> list[list[int]]:
    """Groups of a cluster in the order of block assembly; within a group parents come first."""
    left, groups = set(cluster), []
    while left:
        rest = {i: sorted(ancestors[i] & left) for i in sorted(left)}
        best = max(rest, key=lambda i: fee[rest[i]].sum() / size[rest[i]].sum())
        groups.append(sorted(rest[best], key=lambda i: len(ancestors[i])))
        left.difference_update(rest[best])
    return groups


def _ancestors(above: Parents) -> list[set[int]]:
    """Of each transaction itself and all it depends on."""
    found: list[set[int]] = [set() for _ in above]
    for i in _parents_first(above):
        found[i] = {i}.union(*(found[parent] for parent in above[i]))
    return found


def _clusters(above: Parents) -> list[list[int]]:
    """Groups that are connected, whichever way."""
    home = list(range(len(above)))

    def root(i: int) -> int:
        while home[i] != i:
            home[i] = home[home[i]]
            i = home[i]
        return i

    for i, group in enumerate(above):
        for parent in group:
            home[root(i)] = root(parent)
    clusters: dict[int, list[int]] = {}
    for i in range(len(above)):
        clusters.setdefault(root(i), []).append(i)
    return list(clusters.values())


def _parents_first(above: Parents) -> list[int]:
    waits = [len(set(group)) for group in above]
    below: list[list[int]] = [[] for _ in above]
    for i, group in enumerate(above):
        for parent in set(group):
            below[parent].append(i)
    order = [i for i, count in enumerate(waits) if count == 0]
    for i in order:  # grows while it is read
        for child in below[i]:
            waits[child] -= 1
            if waits[child] == 0:
                order.append(child)
    if len(order) < len(above):
        stuck = next(i for i, count in enumerate(waits) if count)
        raise DomainError(f"a transaction must not be its own ancestor, was: {stuck} among its ancestors")
    return order


def _checked(
    fees: ArrayLike, vbytes: ArrayLike, parents: Parents | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], Parents]:
    fee, size = np.atleast_1d(np.asarray(fees)), np.atleast_1d(np.asarray(vbytes))
    above: Parents = [()] * len(fee) if parents is None else parents
    if not fee.shape == size.shape == (len(above),):
        raise DomainError(
            f"fees, vbytes and parents must be of one length, was {len(fee)}, {len(size)} and {len(above)}"
        )
    for group in above:
        for parent in group:
            if not 0 <= parent < len(fee):
                raise DomainError(f"a parent must be from 0 to {len(fee) - 1}, was {parent}")
    if len(fee) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), above
    _parents_first(above)
    return int_of(fee, "fee", 0, 2**53), int_of(size, "vbytes", 1, 2**53), above
