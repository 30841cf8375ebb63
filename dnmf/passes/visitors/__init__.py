"""What a pass does with the rows of A for one model: solves for W, uses a given one, projects, assigns."""
