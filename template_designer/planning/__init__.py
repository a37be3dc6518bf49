"""Planning: where seeds may sit, which of them to use, what that gives, which rules hold."""
