"""What an administrator wrote in cluster.toml, and the files of the kit."""
