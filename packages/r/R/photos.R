# Photos as callers have them become a list of paths, raw vectors and arrays of
# doubles from 0 to 1.

as_photos <- function(photos, call = sys.call(-1)) {
  if (is.character(photos) && !is_raster(photos)) {
    list <- as.list(to_utf8(path.expand(photos)))
    names(list) <- names(photos)
    return(list)
  }
  if (is_one_photo(photos)) {
    return(list(as_photo(photos, call)))
  }
  if (inherits(photos, "magick-image")) {
    return(lapply(seq_along(photos), function(i) magick_pixels(photos[i])))
  }
  if (is.numeric(photos) && length(dim(photos)) == 4L) {
    return(lapply(seq_len(dim(photos)[[1L]]), function(i) {
      photo <- photos[i, , , , drop = FALSE]
      as_photo(array(photo, dim(photo)[-1L]), call)
    }))
  }
  if (is.logical(photos) && all(is.na(photos))) {
    return(as.list(photos))
  }
  if (!is.list(photos)) {
    abort("photos are paths, raw vectors, arrays of pixels, or a list of these", call)
  }
  list <- lapply(photos, as_photo, call = call)
  if (!is.null(names(photos))) {
    names(list) <- to_utf8(names(photos))
  }
  list
}

as_one_photo <- function(photo, call = sys.call(-1)) {
  list <- as_photos(photo, call)
  if (length(list) != 1L) {
    abort(sprintf("`photo` must be one photo, not %d", length(list)), call)
  }
  list
}

is_raster <- function(x) inherits(x, "raster")

is_one_photo <- function(x) {
  is.raw(x) || is_raster(x) || inherits(x, "nativeRaster") ||
    (is.numeric(x) && length(dim(x)) %in% 2:3)
}

as_photo <- function(photo, call) {
  if (is_raster(photo)) {
    return(raster_pixels(photo))
  }
  if (inherits(photo, "nativeRaster")) {
    return(native_raster_pixels(photo))
  }
  if (inherits(photo, "magick-image") && length(photo) == 1L) {
    return(magick_pixels(photo))
  }
  if (is.raw(photo)) {
    return(as.vector(photo))
  }
  if (is.character(photo) && length(photo) == 1L) {
    return(to_utf8(path.expand(photo)))
  }
  if (length(photo) == 1L && is.atomic(photo) && is.na(photo)) {
    return(NA_character_)
  }
  if (is.numeric(photo) && length(dim(photo)) %in% 2:3) {
    if (any(dim(photo) == 0L)) {
      abort("an array of pixels has at least one row, one column and one channel", call)
    }
    levels <- if (is.integer(photo)) photo / 255 else photo
    return(array(as.double(levels), dim(photo)))
  }
  abort(
    paste(
      "a photo is a path, a raw vector with the content of a file, or an array of pixels",
      "[height, width, channels] as jpeg::readJPEG() gives it"
    ),
    call
  )
}

# Rows of colours.
raster_pixels <- function(raster) {
  levels <- grDevices::col2rgb(as.vector(raster)) / 255
  planes <- lapply(1:3, function(channel) {
    matrix(levels[channel, ], nrow(raster), ncol(raster), byrow = TRUE)
  })
  array(unlist(planes), c(dim(raster), 3L))
}

# Rows of integers with red in the lowest byte.
native_raster_pixels <- function(raster) {
  size <- dim(raster)
  packed <- as.integer(unclass(raster))
  planes <- lapply(c(0L, 8L, 16L), function(shift) {
    level <- bitwAnd(bitwShiftR(packed, shift), 255L)
    matrix(level / 255, size[[1L]], size[[2L]], byrow = TRUE)
  })
  array(unlist(planes), c(size, 3L))
}

# Bytes by channel, column and row.
magick_pixels <- function(image) {
  bytes <- magick::image_data(image, channels = "rgb")
  size <- dim(bytes)
  levels <- array(as.integer(unclass(bytes)) / 255, size)
  if (size[[1L]] == 1L) {
    levels <- levels[c(1L, 1L, 1L), , , drop = FALSE]
  }
  aperm(levels, c(3L, 2L, 1L))
}

# Options for opening photos.
open_options <- function(ignore_orientation, reduced, max_pixels, call = sys.call(-1)) {
  list(
    ignore_orientation = check_flag(ignore_orientation, call = call),
    reduced = check_flag(reduced, call = call),
    max_pixels = check_count(max_pixels, call = call)
  )
}

# A data frame of columns.
as_frame <- function(columns, class = character()) {
  size <- if (length(columns)) length(columns[[1L]]) else 0L
  structure(columns, class = c(class, "data.frame"), row.names = .set_row_names(size))
}

# Stops at the first photo that failed, if errors = "stop".
stop_at_failure <- function(error, errors, call = sys.call(-1)) {
  failed <- error[!is.na(error)]
  if (errors == "stop" && length(failed)) {
    abort(failed[[1L]], call)
  }
}

#' Photos of folders
#'
#' Finds the photos in folders and their subfolders, as the program
#' `lorgnette` does: files that end in .jpg, .png and so on, without hidden
#' ones, in the order of their paths.
#'
#' @param folders paths of folders.
#' @returns A character vector of paths.
#' @examples
#' lg_photos(system.file("extdata", package = "lorgnette"))
#' @export
lg_photos <- function(folders) {
  folders <- path.expand(check_texts(folders))
  native(find_photos(folders))
}

#' Reads a photo
#'
#' Decodes a photo to the pixels that TensorFlow decodes, turned upright.
#'
#' @param photo a photo; see [lorgnette-package].
#' @param ignore_orientation leaves pixels as they are stored, as TensorFlow
#'   does, instead of applying the EXIF orientation.
#' @returns An array `[height, width, 3]`: red, green and blue from 0 to 1.
#' @examples
#' photo <- system.file("extdata", "chelsea.jpg", package = "lorgnette")
#' dim(lg_read(photo))
#' @export
lg_read <- function(photo, ignore_orientation = FALSE) {
  ignore_orientation <- check_flag(ignore_orientation)
  photo <- as_one_photo(photo)
  native(decode_photo(photo, ignore_orientation))
}

#' Resizes a photo as TensorFlow 1 does
#'
#' Bilinear, without antialiasing and without half-pixel offset, as
#' `tf$image$resize_images()` of the networks' time. The aspect ratio is not
#' kept.
#'
#' @param photo a photo; see [lorgnette-package].
#' @param height,width size of the result in pixels.
#' @returns An array `[height, width, 3]`: red, green and blue from 0 to 1.
#' @examples
#' photo <- system.file("extdata", "chelsea.jpg", package = "lorgnette")
#' dim(lg_resize(photo, 224, 224))
#' @export
lg_resize <- function(photo, height, width) {
  height <- check_count(height, null = FALSE)
  width <- check_count(width, null = FALSE)
  if (height * width > 2e8) {
    abort("the result may have at most 200 million pixels", sys.call())
  }
  photo <- as_one_photo(photo)
  native(resize_photo(photo, height, width))
}

#' Writes pixels to a file
#'
#' @param photo a photo; see [lorgnette-package]. A file's orientation is
#'   applied, and its metadata is left out.
#' @param path the file, which ends in .png, .jpg or .jpeg. It is replaced.
#' @returns The path, invisibly.
#' @examples
#' photo <- system.file("extdata", "chelsea.jpg", package = "lorgnette")
#' lg_save(lg_resize(photo, 100, 150), tempfile(fileext = ".png"))
#' @export
lg_save <- function(photo, path) {
  path <- check_path(path)
  photo <- as_one_photo(photo)
  native(save_photo(photo, path))
  invisible(path)
}
