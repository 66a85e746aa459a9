#' A class for every place of a photo
#'
#' Runs the network over the whole photo, which is neither cropped nor resized
#' to the network's input: each cell of the map is the answer for the part of
#' the photo around it.
#'
#' @inheritParams lg_classify
#' @param photo one photo; see [lorgnette-package].
#' @param padding at the photo's edge: "same" pads it, so that cells cover the
#'   photo; "valid" does not.
#' @param output_stride maximum number of pixels from cell to cell, a power of
#'   two; `NULL` for the network's own. A smaller one takes longer.
#' @param scales factors by which the photo is scaled; their probabilities are
#'   averaged. 1 is the photo as it is. `NULL` for a pyramid that suits its
#'   size, each scale of which counts where it shows best what is there.
#' @param tile maximum side of a part that is computed at once, in pixels;
#'   `NULL` by the memory limit.
#' @returns An object of class `lg_map`: a list with `photo`, `width`, `height`
#'   (pixels), `model`, `rows`, `columns`, `stride` (pixels from cell to cell),
#'   `first` (row and column of the first cell's centre, in pixels), `field`
#'   (height and width of a cell's receptive field, in pixels), `scales`,
#'   `unknown_below` (the probability below which a cell is unknown), and
#'   * `classes`: an integer matrix `[rows, columns]` of the best classes' `index`
#'     (from 1), `NA` where none is probable enough;
#'   * `legend`: a data frame of the classes, largest area first: `index`,
#'     `synset`, `name`, `cells`, `share` of all cells, `mean_probability`;
#'   * `regions`: a data frame of connected cells of one class, largest first:
#'     `index`, `synset`, `name`, the box `left`, `top`, `right`, `bottom` in
#'     pixels, `place` (such as "top left"), `cells`, `share`, `probability`
#'     (their mean) and `peak_probability`.
#'
#'   [plot()][plot.lg_map] draws it, [lg_probabilities()] has the scores of all
#'   classes. Pictures and scores stay outside R's memory: an object that was
#'   saved and read again has only what the list shows.
#' @examples
#' photo <- system.file("extdata", "chelsea.jpg", package = "lorgnette")
#' map <- lg_map(lg_model(), photo, scales = 1)
#' map
#' plot(map)
#' @export
lg_map <- function(model, photo, padding = c("same", "valid"), output_stride = NULL,
                   scales = NULL, tile = NULL, ignore_orientation = FALSE,
                   max_pixels = NULL, progress = FALSE) {
  native_model <- check_model(model)
  options <- c(
    open_options(ignore_orientation, FALSE, max_pixels),
    map_options(padding, output_stride, scales, tile)
  )
  bar <- progress_bar(progress)
  photo <- as_one_photo(photo)
  native_map <- native(native_model$map(photo, options, bar))
  facts <- native(native_map$facts())
  map <- c(facts$answer, list(
    classes = facts$classes,
    legend = as_frame(facts$legend),
    regions = as_frame(facts$regions),
    native = native_map
  ))
  structure(map, class = "lg_map")
}

map_options <- function(padding, output_stride, scales, tile, call = sys.call(-1)) {
  if (!is.null(scales)) {
    is_scale <- is.numeric(scales) && length(scales) > 0L && all(is.finite(scales)) &&
      all(scales > 0)
    if (!is_scale) {
      abort("`scales` must be numbers above 0", call)
    }
    scales <- as.double(scales)
  }
  list(
    padding = check_choice(padding, c("same", "valid"), call),
    output_stride = check_count(output_stride, call = call),
    scales = scales,
    tile = check_count(tile, call = call)
  )
}

#' @export
print.lg_map <- function(x, ...) {
  cat(sprintf(
    "<lg_map of \"%s\": %g x %g cells, %g pixels apart>\n",
    x$photo, x$rows, x$columns, x$stride
  ))
  shown <- utils::head(x$legend, 5L)
  cat(sprintf("%5.1f %%  %s\n", 100 * shown$share, shown$name), sep = "")
  if (nrow(x$legend) > 5L) cat("and", nrow(x$legend) - 5L, "more classes\n")
  invisible(x)
}

#' Draws a map
#'
#' @param x a map that [lg_map()] made.
#' @param over_photo draws the map over the photo; otherwise the map alone, with
#'   the classes' names beside their colours.
#' @param class the name of a class, or of a kind of classes such as "dog": how
#'   probable it is at every place, over the photo.
#' @param ... not used.
#' @returns The picture, invisibly: an array `[height, width, 3]` from 0 to 1.
#' @examples
#' photo <- system.file("extdata", "chelsea.jpg", package = "lorgnette")
#' map <- lg_map(lg_model(), photo, scales = 1)
#' plot(map, over_photo = TRUE)
#' plot(map, class = "cat")
#' @export
plot.lg_map <- function(x, over_photo = FALSE, class = NULL, ...) {
  over_photo <- check_flag(over_photo)
  class <- check_text(class, null = TRUE)
  if (is.null(class)) {
    picture <- native(x$native$drawing(over_photo))
  } else {
    picture <- native(x$native$heat(class))
  }
  draw_picture(picture)
  invisible(picture)
}

#' Scores of a map
#'
#' @param map a map that [lg_map()] made.
#' @returns An array `[rows, columns, classes]` of probabilities from 0 to 1.
#' @examples
#' photo <- system.file("extdata", "chelsea.jpg", package = "lorgnette")
#' map <- lg_map(lg_model(), photo, scales = 1)
#' dim(lg_probabilities(map))
#' @export
lg_probabilities <- function(map) {
  if (!inherits(map, "lg_map")) {
    abort("`map` must be a map: lg_map() makes one", sys.call())
  }
  native(map$native$probabilities())
}

# Draws a picture on the current device, as large as fits, without distortion.
draw_picture <- function(picture) {
  size <- dim(picture)
  old <- graphics::par(mar = c(0, 0, 0, 0))
  on.exit(graphics::par(old))
  graphics::plot.new()
  graphics::plot.window(c(0, size[[2L]]), c(0, size[[1L]]), asp = 1, xaxs = "i", yaxs = "i")
  graphics::rasterImage(grDevices::as.raster(picture), 0, 0, size[[2L]], size[[1L]])
}

#' Makes things in a photo unrecognisable
#'
#' @inheritParams lg_map
#' @param classes names of classes, or of kinds of classes such as "dog", or
#'   "face".
#' @param how "mosaic", "gaussian" or "fill".
#' @param colour of "fill": a colour of R, such as "black" or "#336699".
#' @param min_probability minimum probability of a class at a pixel, and of a
#'   face, from 0 to 1.
#' @param margin,feather width in pixels of the margin around what is found, and
#'   of the zone over which the blur fades; `NULL` for the program's own.
#' @param block side of a mosaic's squares in pixels; `NULL` for the program's
#'   own.
#' @returns An object of class `lg_blurred`: a list with `photo`, `pixels` (an
#'   array `[height, width, 3]` from 0 to 1), `areas` (a data frame: `index`,
#'   `synset`, `name`, the box `left`, `top`, `right`, `bottom` in pixels,
#'   `share`, `probability`, `peak_probability`), `share` of the pixels that
#'   were changed, and `warnings`, sentences about what may have been missed.
#'   `plot()` draws the pixels, [lg_save()] writes them. Look at the result
#'   before you show it: a network does not see everything.
#' @examples
#' photo <- system.file("extdata", "chelsea.jpg", package = "lorgnette")
#' blurred <- lg_blur(lg_model(), photo, "cat", scales = 1)
#' blurred$areas[c("name", "share")]
#' plot(blurred)
#' @export
lg_blur <- function(model, photo, classes, how = c("mosaic", "gaussian", "fill"),
                    colour = NULL, min_probability = 0, margin = NULL, feather = NULL,
                    block = NULL, padding = c("same", "valid"), output_stride = NULL,
                    scales = NULL, tile = NULL, ignore_orientation = FALSE,
                    max_pixels = NULL, progress = FALSE) {
  native_model <- check_model(model)
  options <- c(
    open_options(ignore_orientation, FALSE, max_pixels),
    map_options(padding, output_stride, scales, tile),
    list(
      classes = check_texts(classes),
      how = check_choice(how, c("mosaic", "gaussian", "fill")),
      colour = colour_levels(colour),
      min_probability = check_number(min_probability, 0, 1),
      margin = check_count(margin, least = 0),
      feather = check_count(feather, least = 0),
      block = check_count(block)
    )
  )
  bar <- progress_bar(progress)
  photo <- as_one_photo(photo)
  result <- native(native_model$blur(photo, options, bar))
  blurred <- list(
    photo = result$answer$photo,
    pixels = result$pixels,
    areas = as_frame(result$areas),
    share = result$answer$share,
    warnings = as.character(result$answer$warnings)
  )
  structure(blurred, class = "lg_blurred")
}

colour_levels <- function(colour, call = sys.call(-1)) {
  if (is.null(colour)) {
    return(NULL)
  }
  levels <- tryCatch(grDevices::col2rgb(colour) / 255, error = function(e) NULL)
  if (length(levels) != 3L) {
    abort("`colour` must be one colour, such as \"black\"", call)
  }
  as.double(levels)
}

#' @export
print.lg_blurred <- function(x, ...) {
  cat(sprintf(
    "<lg_blurred \"%s\": %d areas, %.1f %% of the pixels>\n",
    x$photo, nrow(x$areas), 100 * x$share
  ))
  for (warning in x$warnings) cat("warning:", warning, "\n")
  invisible(x)
}

#' @export
plot.lg_blurred <- function(x, ...) {
  draw_picture(x$pixels)
  invisible(x$pixels)
}
