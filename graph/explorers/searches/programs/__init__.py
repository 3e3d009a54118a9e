"""Programs that are copied beside a framework, and run where it runs. They import nothing of the project."""
