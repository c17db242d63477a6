"""The task of generating text: each character is predicted from all before it."""
