"""The container images: built on the head, brought to every machine."""
