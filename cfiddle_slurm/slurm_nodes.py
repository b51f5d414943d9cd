"""A worker as Slurm's controller describes it."""

import re
from dataclasses import dataclass

from cfiddle_slurm.slurm_states import (
    node_has_job,
    node_is_withdrawn,
    node_takes_jobs,
    reason_is_a_machines,
)


@dataclass(frozen=True)
class Node:
    """A worker as Slurm sees it.

    Attributes:
        state: in Slurm's words, such as ``idle`` or ``idle+drain``.
        features: what jobs may ask for.
        reason: why it takes no jobs, as far as somebody said so.
    """

    name: str
    state: str
    features: str
    reason: str

    @property
    def usable(self) -> bool:
        """Whether it takes jobs, now or after the present one."""
        return node_takes_jobs(self.state)

    @property
    def withdrawn(self) -> bool:
        """Whether it was taken out of service, by somebody or by Slurm, and can be resumed."""
        return node_is_withdrawn(self.state)

    @property
    def withdrew_itself(self) -> bool:
        """Whether a machine took it out of service, and no person did."""
        return self.withdrawn and reason_is_a_machines(self.reason)

    @property
    def kept_out(self) -> bool:
        """Whether a person took it out of service: only a person brings it back."""
        return self.withdrawn and bool(self.reason) and not reason_is_a_machines(self.reason)

    @property
    def busy(self) -> bool:
        """Whether a job is on it."""
        return node_has_job(self.state)


def parse_nodes(text: str) -> list[Node]:
    """Nodes from the lines of ``scontrol --oneliner show nodes`` (scontrol(1))."""
    found = []
    for line in text.splitlines():
        # A reason is anybody's text, and may look like further fields.
        before, _, rest = line.partition(" Reason=")
        fields = dict(re.findall(r"(?:^| )([A-Za-z]+)=(\S*)", before))
        if "NodeName" in fields:
            reason = re.match(r"(.*?)(?: \[[^\[]+@[^\[]+\]| [A-Z]\w+=|$)", rest)
            features = fields.get("ActiveFeatures", "")
            found.append(
                Node(
                    fields["NodeName"],
                    fields.get("State", "").lower().replace("*", "+not_responding"),
                    "" if features == "(null)" else features,
                    reason[1].strip() if reason else "",
                )
            )
    return sorted(found, key=lambda node: node.name)
