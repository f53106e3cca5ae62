"""Other people's autoscaling documents as rules: HorizontalPodAutoscalers and KEDA ScaledObjects.

Nothing is dropped in silence: `foreign.Fields` knows which fields were looked at, and whatever was not carried over, or should be
checked by a person, becomes a `Remark` which stands as a comment above the rule. A rule that lost one of its metrics comes out
with `dryRun: true`: it might otherwise scale down what the lost one held up.
"""

from rulebook.conversion.converting import Conversion, convert_text
from rulebook.conversion.foreign import Remark

__all__ = ["Conversion", "Remark", "convert_text"]
