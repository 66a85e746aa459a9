#' Names what is in photos
#'
#' @param model a model; see [lg_model()].
#' @param photos photos; see [lorgnette-package].
#' @param top number of classes for each photo.
#' @param errors what becomes of a photo that cannot be read: "row", a row with
#'   its `error`; "stop", an error.
#' @param ignore_orientation leaves pixels as they are stored, as TensorFlow
#'   does, instead of applying the EXIF orientation.
#' @param reduced decodes JPEG files of many megapixels at half, quarter or
#'   eighth of their size, if that suffices for the network. Faster; values
#'   differ a little.
#' @param max_pixels maximum number of pixels of a photo; `NULL` for 200
#'   million.
#' @param progress shows a bar.
#' @returns A data frame of class `lg_classification`, with a row for each class
#'   of each photo, in the photos' order, the most probable first: `photo` (its
#'   path or name), `rank` (1, 2, ...), `index` (the class's position in the
#'   network's outputs, from 1), `synset`, `name`, `probability` (0 to 1),
#'   `logit` (the score before softmax), `unknown` (`TRUE` if a trained model
#'   takes the photo for none of its classes; `NA` for models without a
#'   threshold), and `error` (`NA`, or why the photo failed; then it has one row
#'   and all else is `NA`).
#' @examples
#' model <- lg_model()
#' photo <- system.file("extdata", "chelsea.jpg", package = "lorgnette")
#' lg_classify(model, photo)
#'
#' # A photo that is not there is a row with an error.
#' lg_classify(model, c(photo, "nowhere.jpg"), top = 1)[c("photo", "name", "error")]
#' @export
lg_classify <- function(model, photos, top = 5, errors = c("row", "stop"),
                        ignore_orientation = FALSE, reduced = FALSE, max_pixels = NULL,
                        progress = FALSE) {
  native_model <- check_model(model)
  errors <- check_choice(errors, c("row", "stop"))
  options <- open_options(ignore_orientation, reduced, max_pixels)
  options$top <- check_count(top, null = FALSE)
  bar <- progress_bar(progress)
  photos <- as_photos(photos)
  columns <- native(native_model$classify(photos, options, bar))
  stop_at_failure(columns$error, errors)
  as_frame(columns, "lg_classification")
}

#' @export
print.lg_classification <- function(x, ...) {
  shown <- as.data.frame(x)
  if (!is.null(shown$probability)) shown$probability <- round(shown$probability, 4L)
  hidden <- c("unknown", "error")
  shown <- shown[!(names(shown) %in% hidden & vapply(shown, function(v) all(is.na(v)), NA))]
  print(shown, ...)
  invisible(x)
}

#' @export
as.data.frame.lg_classification <- function(x, ...) {
  class(x) <- "data.frame"
  x
}

#' Features of photos
#'
#' Computes what the network's classification layer reads: numbers that are
#' alike for photos that look alike, for models of one's own.
#'
#' @inheritParams lg_classify
#' @param end_point the node that gives the features; `NULL` for the input of
#'   the classification layer.
#' @returns A matrix with a row for each photo, named by its path, and a column
#'   for each channel. Rows of photos that failed are `NA`, and the attribute
#'   `error` has for each photo `NA` or the reason.
#' @examples
#' model <- lg_model()
#' photo <- system.file("extdata", "chelsea.jpg", package = "lorgnette")
#' features <- lg_embed(model, photo)
#' dim(features)
#' @export
lg_embed <- function(model, photos, end_point = NULL, errors = c("row", "stop"),
                     ignore_orientation = FALSE, reduced = FALSE, max_pixels = NULL,
                     progress = FALSE) {
  native_model <- check_model(model)
  errors <- check_choice(errors, c("row", "stop"))
  options <- open_options(ignore_orientation, reduced, max_pixels)
  options$end_point <- check_text(end_point, null = TRUE)
  bar <- progress_bar(progress)
  photos <- as_photos(photos)
  result <- native(native_model$embed(photos, options, bar))
  stop_at_failure(result$error, errors)
  values <- result$values
  dimnames(values) <- list(result$photo, NULL)
  attr(values, "error") <- result$error
  values
}

#' Finds faces
#'
#' Finds faces by the detector CenterFace, which is in the package.
#'
#' @inheritParams lg_classify
#' @param model a model, whose threads are used; its network is not.
#' @param min_probability probability that a face must exceed, from 0 to 1;
#'   `NULL` for the detector's own.
#' @param pyramid looks at the photo at several sizes, for faces that fill it.
#' @returns A data frame with a row for each face, the most probable of a photo
#'   first: `photo`, `rank`, the box `left`, `top`, `right`, `bottom`,
#'   `probability`, the landmarks `left_eye_x` to `right_mouth_y` (left and right
#'   are the viewer's), all in pixels of the photo, `scale` (at which share of
#'   its size the photo was looked at), and `error`. A photo without faces has
#'   no row; a photo that failed has one.
#' @examples
#' photo <- system.file("extdata", "chelsea.jpg", package = "lorgnette")
#' lg_faces(lg_model(), photo)
#' @export
lg_faces <- function(model, photos, min_probability = NULL, pyramid = TRUE,
                     errors = c("row", "stop"), ignore_orientation = FALSE,
                     max_pixels = NULL, progress = FALSE) {
  native_model <- check_model(model)
  errors <- check_choice(errors, c("row", "stop"))
  options <- open_options(ignore_orientation, FALSE, max_pixels)
  options$min_probability <- check_number(min_probability, 0, 1)
  options$pyramid <- check_flag(pyramid)
  bar <- progress_bar(progress)
  photos <- as_photos(photos)
  columns <- native(native_model$faces(photos, options, bar))
  stop_at_failure(columns$error, errors)
  as_frame(columns)
}
