"""A toy task, to show that a task is a folder and its entry in the registry: a network learns to
repeat each character that it reads."""
