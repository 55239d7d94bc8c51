"""This is the score card: what many runs, taken together, say of the agent, beside what simple limits would have done."""
