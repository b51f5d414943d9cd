"""The cluster's services: their files, their secrets, how they are."""
