"""The task of writing on: each character is predicted from all before it."""
