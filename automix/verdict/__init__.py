"""What a search may claim, with statistics: the plain part (numpy alone) and the one place that opens the test images.

`decision` chooses a winner and comes to a verdict, `statistics` and `calibration` hold the sums, `words` the sentences.
`opening` reads the test images; it is imported by whoever needs it, as it imports torch.
"""

from __future__ import annotations

from automix.verdict.decision import Arm, ArmResult, Subject, Verdict, choose, decide
from automix.verdict.statistics import Difference, paired_difference
from automix.verdict.words import advice, details, record, sentence

__all__ = [
    "Arm",
    "ArmResult",
    "Difference",
    "Subject",
    "Verdict",
    "advice",
    "choose",
    "decide",
    "details",
    "paired_difference",
    "record",
    "sentence",
]
