# Starts another R that computes for minutes, sends it what Ctrl-C sends, and waits for its answer.
test_that("Ctrl-C ends a long call", {
  skip_on_os("windows")
  script <- temporary(".R")
  output <- temporary(".txt")
  writeLines(c(
    "library(lorgnette)",
    "model <- lg_model(threads = 1)",
    sprintf("photos <- rep(%s, 100000)", deparse(cat_photo)),
    "cat('started\\n')",
    "result <- tryCatch(lg_classify(model, photos), interrupt = function(e) 'interrupted')",
    "cat(result, '\\n')",
    "cat(nrow(lg_classify(model, photos[1:2], top = 1)), 'rows\\n')"
  ), script)
  r <- file.path(R.home("bin"), "Rscript")
  command <- paste(shQuote(r), shQuote(script), ">", shQuote(output), "2>&1 & echo $!")
  pid <- as.integer(system2("sh", c("-c", shQuote(command)), stdout = TRUE))
  lines <- function() if (file.exists(output)) readLines(output, warn = FALSE) else character()
  wait_for <- function(line) {
    for (i in 1:300) {
      if (any(grepl(line, lines()))) return(TRUE)
      Sys.sleep(0.1)
    }
    FALSE
  }
  on.exit(tools::pskill(pid, tools::SIGKILL))
  expect_true(wait_for("started"))
  Sys.sleep(0.5)
  tools::pskill(pid, tools::SIGINT)
  expect_true(wait_for("interrupted"))
  # The session goes on.
  expect_true(wait_for("2 rows"))
})
