"""What is drawn and written for people: graphs, tables, cards and previews, as HTML and as text."""
