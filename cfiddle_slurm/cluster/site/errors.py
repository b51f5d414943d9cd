"""What keeps a command of the cluster from doing its work."""


class ClusterError(Exception):
    """Base of all errors that an administrator is told: one sentence, which needs no traceback."""
