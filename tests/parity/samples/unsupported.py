"""What an adapter says of arguments that we do not have."""


class Unsupported(Exception):
    """PyTorch takes these arguments; we do not, for the reason given."""
