"""The infilling task: a masked language model, gap filling and proofreading."""
