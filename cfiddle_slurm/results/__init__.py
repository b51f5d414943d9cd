"""What comes home: read by an allow-list, or refused."""
