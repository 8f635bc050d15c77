"""Finding a person in any folder of pictures: its index, the ranking, what is shown of it."""
