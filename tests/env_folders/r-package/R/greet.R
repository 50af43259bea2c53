greet <- function() "hello"
