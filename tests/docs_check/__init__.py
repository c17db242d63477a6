"""Checks the documents: their links, the paths they name, and the commands and code they show."""
