#' Learns one's own classes
#'
#' `lg_train()` trains a classification layer on the features of photos;
#' `lg_evaluate()` judges a model by photos whose classes are known.
#'
#' @param photos a folder with one folder of photos for each class, or a CSV
#'   file with the columns path and label.
#' @param out the folder of the trained model and its report, `report.html`;
#'   [lg_model()] opens it.
#' @param model the network that gives the features, or that is judged; `NULL`
#'   for the MobileNet V1 in the package.
#' @param multi_label photos may have several labels.
#' @param recipe "default" (L-BFGS, penalty chosen on held-out photos),
#'   "tutorial" (gradient descent, rate 0.01 times 0.9 every 500 steps, batches
#'   of 128), or "retrain" (as TensorFlow's `retrain.py`).
#' @param steps number of steps of the recipes "tutorial" and "retrain"; `NULL`
#'   for their own.
#' @param seed of splits, initial weights and batches: a whole number.
#' @param validation_percentage,test_percentage share of the photos that are
#'   held out, in per cent.
#' @param end_point the node that gives the features; `NULL` for the input of
#'   the classification layer.
#' @param resume goes on with an interrupted training.
#' @param overwrite replaces a model that is there.
#' @param cache the file of computed features; `NULL` for the one that the
#'   program `lorgnette` keeps in the user's data folder.
#' @param split judges only the photos that the model's training held out so:
#'   "training", "validation" or "test"; `NULL` for all.
#' @inheritParams lg_classify
#' @returns `lg_train()`: an object of class `lg_training`, a list with `folder`,
#'   `summary` (figures by name), and the evaluations `training`, `validation`
#'   and `test`. `lg_evaluate()`: an object of class `lg_evaluation`, a list with
#'   `photos` (their number), `accuracy` and `top5` (0 to 1), `accuracy_interval`
#'   (95 %), `loss` (mean cross entropy in nats), `classes`, `confusion` (a
#'   matrix with a row for each true and a column for each predicted class),
#'   `by_class` (a data frame: `name`, `support`, `precision`, `recall`, `f1`),
#'   other figures, and `left_out`, a line for each photo that was not used.
#' @examples
#' \donttest{
#' if (nzchar(Sys.getenv("MY_FLOWERS"))) {
#'   training <- lg_train(Sys.getenv("MY_FLOWERS"), file.path(tempdir(), "flowers.model"))
#'   training$test$confusion
#'   lg_classify(lg_model(training$folder), "rose.jpg")
#' }
#' }
#' @export
lg_train <- function(photos, out, model = NULL, multi_label = FALSE,
                     recipe = c("default", "tutorial", "retrain"), steps = NULL, seed = 0,
                     validation_percentage = 10, test_percentage = 10, end_point = NULL,
                     resume = FALSE, overwrite = FALSE, cache = NULL, progress = FALSE) {
  options <- list(
    photos = check_path(photos),
    out = check_path(out),
    multi_label = check_flag(multi_label),
    recipe = check_choice(recipe, c("default", "tutorial", "retrain")),
    steps = check_count(steps),
    seed = check_count(seed, least = 0, null = FALSE),
    validation_percentage = check_number(validation_percentage, 0, 100),
    test_percentage = check_number(test_percentage, 0, 100),
    end_point = check_text(end_point, null = TRUE),
    resume = check_flag(resume),
    overwrite = check_flag(overwrite),
    cache = check_path(cache, null = TRUE)
  )
  native_model <- check_model(if (is.null(model)) lg_model() else model)
  bar <- progress_bar(progress)
  result <- native(train_model(native_model, options, bar))
  training <- list(
    folder = options$out,
    summary = result$summary,
    training = as_evaluation(result$training),
    validation = as_evaluation(result$validation),
    test = as_evaluation(result$test)
  )
  structure(training, class = "lg_training")
}

#' @export
print.lg_training <- function(x, ...) {
  cat(sprintf("<lg_training \"%s\": test accuracy %.4f>\n", x$folder, x$test$accuracy))
  invisible(x)
}

#' @rdname lg_train
#' @export
lg_evaluate <- function(model, photos, split = NULL, multi_label = FALSE, reduced = FALSE,
                        progress = FALSE) {
  native_model <- check_model(model)
  photos <- check_path(photos)
  options <- list(
    split = check_text(split, null = TRUE),
    multi_label = check_flag(multi_label),
    reduced = check_flag(reduced)
  )
  bar <- progress_bar(progress)
  result <- native(evaluate_model(native_model, photos, options, bar))
  as_evaluation(result$evaluation, result$left_out)
}

as_evaluation <- function(result, left_out = character()) {
  figures <- result$figures
  if (is.matrix(figures$confusion)) {
    dimnames(figures$confusion) <- list(true = figures$classes, predicted = figures$classes)
  }
  evaluation <- c(figures, list(by_class = as_frame(result$by_class), left_out = left_out))
  structure(evaluation, class = "lg_evaluation")
}

#' @export
print.lg_evaluation <- function(x, ...) {
  cat(sprintf(
    "<lg_evaluation of %g photos: accuracy %.4f, loss %.4f>\n", x$photos, x$accuracy, x$loss
  ))
  print(x$by_class, ...)
  invisible(x)
}
