"""Python as text: what a piece of it reads and binds, what it leans on, and how text comes to life again."""
