"""How wrong labels may be at most, from a random sample of texts that a better labeller also judged.

Belongs here: the bound, and the confidence from which labels keep it. Does not belong here: who judges, and which texts
(coterie.labels.cascade).

Method: errors above a confidence are binomial, so an exact bound is Clopper and Pearson's (1934). The confidence is found
by fixed-sequence testing (as in Learn then Test, Angelopoulos et al. 2021): beginning with the surest labels of the
sample, the claim "of labels at least as sure at most `MOST_WRONG` are wrong" is tested for ever more of them, each time
at the full level, until it fails for the first time; so the whole search errs at most once in twenty. Which prefixes are
tested depends on confidences alone, never on what was right.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

MOST_WRONG = 0.1
LEVEL = 0.05
FEWEST = 60  # sampled labels from which a certificate is asked for; of 60, one may be wrong
STEP = 20  # further labels from one test to the next


@dataclass(frozen=True)
class Certificate:
    """What a sample says.

    Attributes:
        sampled: labels of the sample.
        threshold: least confidence of labels of which at most `MOST_WRONG` are wrong; None if there is no such, or too
            few were sampled to tell.
        kept: labels of the sample that are as sure.
        wrong: of them, those that are wrong; all of the sample's without a threshold.
        at_most: upper 95 % bound of the share of wrong labels among `kept`, or among all without a threshold; 1 of none.
    """

    sampled: int
    threshold: float | None
    kept: int
    wrong: int
    at_most: float

    @property
    def told_enough(self) -> bool:
        """Whether the sample was large enough to say anything."""
        return self.sampled >= FEWEST

    def said(self, teacher: str) -> str:
        """The certificate as sentences."""
        if self.threshold is not None:
            return (
                f"Of local labels from a confidence of {self.threshold:.2f} on at most {MOST_WRONG:.0%} are wrong by the "
                f"judgement of {teacher}, with confidence {1 - LEVEL:.0%}: {self.wrong} of {self.kept} sampled ones were. "
                "Local labels that are less sure are left out."
            )
        if not self.told_enough:
            return (
                f"Local labels are not certified yet: {self.sampled} were sampled, expected {FEWEST}. Until then they "
                f"stand as they are; {self.wrong} of the sampled ones were wrong by the judgement of {teacher}."
            )
        return (
            f"No local label is certified: {self.wrong} of {self.sampled} sampled ones were wrong by the judgement of "
            f"{teacher}, and the surest of them too often as well (expected at most {MOST_WRONG:.0%}). They are left "
            "out. COTERIE_LABELLER=local takes them as they are, COTERIE_LABELLER=claude asks about every text."
        )


def certificate(confidence: npt.NDArray[np.float64], wrong: npt.NDArray[np.bool_]) -> Certificate:
    """The certificate of a random sample of labels.

    Args:
        confidence: (n,) of each label.
        wrong: (n,) whether the better labeller disagrees.
    """
    n = len(confidence)
    order = np.argsort(-confidence, kind="stable")
    sure, errors = confidence[order], np.cumsum(wrong[order])
    # A prefix ends where confidence falls: labels that are equally sure stand or go together.
    ends = np.flatnonzero(np.append(sure[1:] < sure[:-1], True)) + 1 if n else np.empty(0, dtype=np.int64)
    found, next_at = None, FEWEST
    for end in ends.tolist():
        if end < next_at and end < n:
            continue
        if end < FEWEST or stats.binom.cdf(int(errors[end - 1]), end, MOST_WRONG) > LEVEL:
            break
        found, next_at = end, end + STEP
    kept = n if found is None else found
    bad = int(errors[kept - 1]) if kept else 0
    return Certificate(n, None if found is None else float(sure[kept - 1]), kept, bad, _at_most(bad, kept))


def _at_most(wrong: int, n: int) -> float:
    """Clopper and Pearson's upper bound."""
    return 1.0 if wrong >= n else float(stats.beta.ppf(1 - LEVEL, wrong + 1, n - wrong))
