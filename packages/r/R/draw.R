#' Names drawn on a photo
#'
#' `lg_annotate()` draws the classes of a photo with their probabilities on it,
#' as `lorgnette classify --picture` does, without any other package.
#' `lg_layer_photo()` and `lg_layer_names()` are layers for ggplot2: the photo
#' from 0 to 1 in both directions, and the names on it, as a tutorial would
#' write them with `annotation_custom()` and `annotate()`. `autoplot()` is both.
#'
#' @param classification what [lg_classify()] gave.
#' @param photo the photo; `NULL` for the file that was classified.
#' @param below draws the names below the photo, which stays uncovered.
#' @param digits digits of the probabilities.
#' @param x,y place of the text, from 0 (left, bottom) to 1 (right, top).
#' @param colour,size,... of the text; see `ggplot2::annotate()`.
#' @param interpolate smooths the photo where it is enlarged.
#' @param object what [lg_classify()] gave, of one photo.
#' @returns `lg_annotate()`: an array `[height, width, 3]` from 0 to 1.
#'   `lg_layer_photo()` and `lg_layer_names()`: lists of layers, which are added
#'   to a `ggplot2::ggplot()`. `autoplot()`: a plot of ggplot2.
#' @examples
#' photo <- system.file("extdata", "chelsea.jpg", package = "lorgnette")
#' found <- lg_classify(lg_model(), photo)
#' dim(lg_annotate(found))
#' if (requireNamespace("ggplot2", quietly = TRUE)) {
#'   ggplot2::ggplot() + lg_layer_photo(photo) + lg_layer_names(found, colour = "white")
#' }
#' @name lg_annotate
NULL

#' @rdname lg_annotate
#' @export
lg_annotate <- function(classification, photo = NULL, below = FALSE) {
  found <- check_classification(classification)
  below <- check_flag(below)
  photo <- as_one_photo(if (is.null(photo)) found$photo[[1L]] else photo)
  native(annotate_photo(photo, found$name, found$probability, below))
}

#' @rdname lg_annotate
#' @export
lg_layer_photo <- function(photo, interpolate = TRUE) {
  need("ggplot2")
  interpolate <- check_flag(interpolate)
  pixels <- lg_read(photo)
  raster <- grid::rasterGrob(pixels, interpolate = interpolate)
  list(
    ggplot2::annotation_custom(raster, xmin = 0, xmax = 1, ymin = 0, ymax = 1),
    ggplot2::coord_fixed(
      ratio = dim(pixels)[[1L]] / dim(pixels)[[2L]], xlim = c(0, 1), ylim = c(0, 1), expand = FALSE
    ),
    ggplot2::theme_void()
  )
}

#' @rdname lg_annotate
#' @export
lg_layer_names <- function(classification, x = 0.05, y = 0.05, digits = 5, colour = "blue",
                           size = 5, ...) {
  need("ggplot2")
  found <- check_classification(classification)
  digits <- check_count(digits, least = 0, null = FALSE)
  lines <- paste(first_name(found$name), formatC(found$probability, digits, format = "f"))
  ggplot2::annotate(
    "text",
    x = x, y = y, label = paste(lines, collapse = "\n"), hjust = 0, vjust = 0,
    colour = colour, size = size, ...
  )
}

#' @rdname lg_annotate
#' @exportS3Method ggplot2::autoplot
autoplot.lg_classification <- function(object, photo = NULL, ...) {
  found <- check_classification(object)
  ggplot2::ggplot() +
    lg_layer_photo(if (is.null(photo)) found$photo[[1L]] else photo) +
    lg_layer_names(object, ...)
}

# The rows of a classification of one photo that did not fail.
check_classification <- function(classification, call = sys.call(-1)) {
  if (!inherits(classification, "lg_classification")) {
    abort("`classification` must be what lg_classify() gave", call)
  }
  if (length(unique(classification$photo)) != 1L) {
    abort("`classification` must be of one photo: take its rows", call)
  }
  if (!is.na(classification$error[[1L]])) {
    abort(classification$error[[1L]], call)
  }
  as.data.frame(classification)
}

# The first of a class's synonyms.
first_name <- function(names) trimws(sub(",.*", "", names))

need <- function(package, call = sys.call(-1)) {
  if (!requireNamespace(package, quietly = TRUE)) {
    abort(sprintf("this needs the package %s: install.packages(\"%s\")", package, package), call)
  }
}
