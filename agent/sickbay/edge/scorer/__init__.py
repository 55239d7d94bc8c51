"""This is the model worker: a part's signals judged jointly by a tiny network in a process of its own."""
