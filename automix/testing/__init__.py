"""The conformance kit: what every component must do, built in or third party.

In a test file, inherit `MixerContract`; elsewhere call `check_mixer` or `check_component` (as ``automix check`` does).
Both run the same checks.
"""

from __future__ import annotations

from automix.testing.contract import MixerContract
from automix.testing.findings import Finding
from automix.testing.runner import check_component, check_mixer

__all__ = ["Finding", "MixerContract", "check_component", "check_mixer"]
