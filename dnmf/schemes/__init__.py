"""What a fit minimizes, or iterates: a loss with its side terms, asked by a loop that knows neither."""
