"""The task of infilling: each character is predicted from both sides of it. Filling and
proofreading."""
