install.packages("greeting", repos = NULL, type = "source")
