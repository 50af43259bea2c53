install.packages("greeting", repos = "file:///srv/repo")
