"""Inside the sandbox, beside hostile code."""
