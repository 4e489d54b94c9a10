def completions(line, cursor, surroundings=None):
    return []
