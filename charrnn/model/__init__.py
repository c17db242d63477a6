"""Networks: ids in, logits out. They know nothing about text."""
