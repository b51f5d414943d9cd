"""Accounts, their homes, and what they run."""
