test_that("arrays keep their dimensions, and their elements their places", {
  model <- the_model()
  x <- lg_input(model, cat_photo)
  expect_identical(dim(x), c(1L, 224L, 224L, 3L))
  expect_true(min(x) >= -1 && max(x) <= 1)
  # The input itself can be fetched: what goes in comes out.
  expect_equal(lg_run(model, list(input = x), "input")$input, x, tolerance = 1e-7)
  # Each position has its own number, which 32-bit floats hold exactly.
  numbered <- array(seq_len(224 * 224 * 3), c(1, 224, 224, 3))
  expect_identical(lg_run(model, list(input = numbered), "input")$input, numbered + 0)
})

test_that("three dimensions are one photo", {
  model <- the_model()
  x <- lg_input(model, cat_photo)
  one <- array(x, dim(x)[-1])
  tensors <- lg_run(model, list(input = one), c(model$logits, model$probabilities))
  expect_identical(names(tensors), c(model$logits, model$probabilities))
  expect_identical(tensors, lg_run(model, list("input:0" = x), c(model$logits, model$probabilities)))
  expect_identical(dim(tensors[[2]]), c(1L, 1001L))
  logits <- as.vector(tensors[[1]])
  expect_equal(as.vector(tensors[[2]]), exp(logits) / sum(exp(logits)), tolerance = 1e-5)
})

test_that("a batch equals its parts", {
  model <- the_model()
  x <- lg_input(model, cat_photo)
  mirrored <- x[, , 224:1, , drop = FALSE]
  both <- array(0, c(2, 224, 224, 3))
  both[1, , , ] <- x
  both[2, , , ] <- mirrored
  run <- function(value) lg_run(model, list(input = value), model$probabilities)[[1]]
  expect_identical(run(both)[1, ], run(x)[1, ])
  expect_identical(run(both)[2, ], run(mirrored)[1, ])
})

test_that("any node can be fed and fetched", {
  model <- the_model()
  x <- lg_input(model, cat_photo)
  first <- lg_run(model, list(input = x), c(model$features, model$probabilities))
  again <- lg_run(model, first[model$features], model$probabilities)
  expect_equal(again[[1]], first[[model$probabilities]], tolerance = 1e-5)
  expect_true(all(c("input", model$logits) %in% lg_nodes(model)))
})

test_that("wrong tensors are refused with a sentence", {
  model <- the_model()
  x <- lg_input(model, cat_photo)
  expect_lorgnette_error(lg_run(model, list(input = x), "nothing"), "nothing")
  expect_lorgnette_error(lg_run(model, list(), model$logits), "input")
  expect_lorgnette_error(lg_run(model, list(x), model$logits), "name for each value")
  expect_lorgnette_error(lg_run(model, list(input = x, input = x), model$logits), "two values")
  expect_lorgnette_error(lg_run(model, list(input = x[1, , , 1]), model$logits), ".")
  expect_lorgnette_error(lg_run(model, list(input = "a.jpg"), model$logits), "no array of numbers")
  expect_lorgnette_error(lg_run(model, list(input = mean), model$logits), "no array of numbers")
  x[5] <- NA
  expect_lorgnette_error(lg_run(model, list(input = x), model$logits), "NA")
})

test_that("resizing is TensorFlow 1's", {
  # By hand: 4 columns become 2, 2 become 3: source = destination * in / out.
  photo <- array(rep(c(0, 51, 102, 153, 204, 255, 0, 255) / 255, 3), c(2, 4, 3))
  expect_equal(lg_resize(photo, 2, 2), photo[, c(1, 3), ], tolerance = 1e-6)
  larger <- lg_resize(photo, 3, 4)
  expect_equal(larger[1, , ], photo[1, , ], tolerance = 1e-6)
  expect_equal(larger[2, , ], photo[1, , ] / 3 + photo[2, , ] * 2 / 3, tolerance = 1e-6)
  expect_equal(larger[3, , ], photo[2, , ], tolerance = 1e-6)
})

test_that("sixteen bits are kept", {
  levels <- array(c(0, 1, 257, 30001, 65534, 65535) / 65535, c(2, 3, 3))
  expect_equal(lg_resize(levels, 2, 3), levels, tolerance = 1e-6)
})

test_that("graphs are written for TensorBoard, models for TensorFlow", {
  model <- the_model()
  path <- lg_write_graph(model, tempfile())
  expect_match(basename(path), "tfevents")
  expect_gt(file.size(path), 10000)
  frozen <- lg_export(model, temporary(".pb"), "frozen")
  again <- lg_model(frozen)
  x <- lg_input(model, cat_photo)
  expect_identical(
    unname(lg_run(again, list(input = x), model$probabilities)),
    unname(lg_run(model, list(input = x), model$probabilities))
  )
  path <- lg_random_checkpoint("lenet", tempfile(fileext = ".ckpt"))
  lenet <- lg_model(path)
  expect_identical(lenet$size, c(28, 28))
  expect_lorgnette_error(lg_random_checkpoint("leenet", tempfile()), "lenet")
})
