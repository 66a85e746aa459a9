test_that("a model says what it is", {
  model <- the_model()
  expect_identical(model$input, "input")
  expect_identical(model$size, c(224, 224))
  expect_identical(model$classes, 1001)
  expect_output(print(model), "224 x 224, 1001 classes")
})

test_that("models that cannot be opened say why", {
  expect_lorgnette_error(lg_model("nowhere.pb"), "nowhere.pb")
  expect_lorgnette_error(lg_model("mobilenet_v1_1.0_225"), "mobilenet_v1_1.0_224")
  broken <- temporary(".pb")
  writeBin(as.raw(1:100), broken)
  expect_lorgnette_error(lg_model(broken), basename(broken), fixed = TRUE)
  expect_lorgnette_error(lg_model(size = 224), "`size`")
  expect_lorgnette_error(lg_model(preprocess = "vggg"), "vgg")
  expect_lorgnette_error(lg_model(threads = 0), "`threads`")
  expect_lorgnette_error(lg_model(c("a", "b")), "`name`")
})

test_that("threads are limited", {
  limited <- function(value, variable = "_R_CHECK_LIMIT_CORES_") {
    old <- Sys.getenv(variable, NA)
    on.exit(if (is.na(old)) Sys.unsetenv(variable) else do.call(Sys.setenv, stats::setNames(list(old), variable)))
    do.call(Sys.setenv, stats::setNames(list(value), variable))
    lg_model(threads = 8)$threads
  }
  expect_identical(limited("TRUE"), 2)
  expect_identical(limited("warn"), 2)
  skip_if(nzchar(Sys.getenv("_R_CHECK_LIMIT_CORES_")), "the limit is set already")
  expect_identical(limited("3", "OMP_THREAD_LIMIT"), 3)
  expect_identical(limited("false"), 8)
})

test_that("a model that was saved is refused, not a crash", {
  model <- the_model()
  path <- temporary(".rds")
  saveRDS(model, path)
  expect_lorgnette_error(lg_classify(readRDS(path), cat_photo), "another session")
})

test_that("results do not depend on threads", {
  photos <- rep(cat_photo, 3)
  one <- lg_embed(lg_model(threads = 1), photos)
  two <- lg_embed(lg_model(threads = 2), photos)
  expect_identical(one, two)
})

test_that("texts of other encodings are read", {
  path <- "caf\xe9.lgn"
  Encoding(path) <- "latin1"
  expect_lorgnette_error(lg_library(path), "caf\u00e9.lgn", fixed = TRUE)
  Encoding(path) <- "bytes"
  expect_error(lg_library(path))
})
