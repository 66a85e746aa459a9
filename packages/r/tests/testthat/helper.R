cat_photo <- system.file("extdata", "chelsea.jpg", package = "lorgnette")

# Opened once: the network is read and planned.
the_model <- local({
  model <- NULL
  function() {
    if (is.null(model)) model <<- lg_model()
    model
  }
})

expect_lorgnette_error <- function(object, regexp, ...) {
  expect_error(object, regexp, class = "lorgnette_error", ...)
}

# The program, for comparisons; .ci/run names it.
program <- function(...) {
  path <- Sys.getenv("LORGNETTE")
  skip_if(!nzchar(path), "LORGNETTE does not name the program")
  system2(path, shQuote(c(...)), stdout = TRUE)
}

program_csv <- function(...) {
  utils::read.csv(text = program(...), na.strings = "", stringsAsFactors = FALSE)
}

temporary <- function(extension) tempfile(fileext = extension)
