#' Pictures through TensorFlow-Slim networks, without TensorFlow
#'
#' `lorgnette` names what is in photos ([lg_classify()]), gives their features
#' ([lg_embed()]), a class for every place ([lg_map()]) and the faces in them
#' ([lg_faces()]), makes things unrecognisable ([lg_blur()]), computes any
#' tensor of a network ([lg_run()]), searches photos by what is where
#' ([lg_library()]), and learns one's own classes ([lg_train()]).
#' MobileNet V1 and a face detector are in the package; other networks are
#' opened from their files ([lg_model()]). No Python is needed, and nothing is
#' downloaded.
#'
#' @section Photos:
#' A photo is the path of a file (JPEG, PNG, GIF, BMP, TIFF, WebP), a raw vector
#' with the content of such a file, or its pixels:
#' * an array `[height, width, channels]` of numbers from 0 to 1, as
#'   `jpeg::readJPEG()` and `png::readPNG()` give it, with 1 (grey), 2 (grey and
#'   alpha), 3 (red, green, blue) or 4 channels; alpha is left out. Integers are
#'   from 0 to 255;
#' * a matrix `[height, width]` of grey;
#' * an array `[photos, height, width, channels]` of several photos;
#' * a `nativeRaster`, a `raster`, or an image of the package magick.
#'
#' Several photos are a character vector of paths, or a list of photos. The
#' names of a list are the names of photos that have no path.
#'
#' Pixels that are read from a file are those that TensorFlow decodes, which
#' differ from `jpeg::readJPEG()`'s by a level here and there. Photos are turned
#' upright by their EXIF orientation, unless `ignore_orientation = TRUE`.
#'
#' @section Photos that fail:
#' A photo that cannot be read does not end a call: it has a row with missing
#' values and a sentence in the column `error`, which is `NA` for all others.
#' With `errors = "stop"` the first one is an error. Errors have the class
#' `lorgnette_error`.
#'
#' @section Numbers:
#' Positions count from 1, as everywhere in R: TensorFlow's class 0 has the
#' `index` 1. Boxes are in pixels from the photo's top left corner; `right` and
#' `bottom` are exclusive. Probabilities and shares are from 0 to 1. Networks
#' compute with 32-bit floats.
#'
#' @section Threads:
#' As many as the process may use, which is seen by its affinity and the limits
#' of its container; fewer by `lg_model(threads = )` or
#' `options(lorgnette.threads = )`. `OMP_THREAD_LIMIT` is kept to, and so is
#' CRAN's limit of two. Answers do not depend on it. Ctrl-C (Esc in RStudio)
#' ends any call within the time of a photo, or of a tile of a large one.
#'
#' @keywords internal
"_PACKAGE"
