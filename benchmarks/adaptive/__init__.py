"""A room over links that are too small, change or lose: what each subscriber gets of what its link could carry."""
