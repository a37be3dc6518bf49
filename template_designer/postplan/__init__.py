"""After the implant: seeds as they were found, beside those that were planned."""
