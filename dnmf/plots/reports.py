report = None
