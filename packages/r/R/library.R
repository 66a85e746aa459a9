#' Libraries of photos that are searched by what is where
#'
#' A library is one file, which the program `lorgnette` reads and writes too.
#' `lg_index()` analyses the new and changed photos of folders into it, and
#' `lg_search()` finds photos. Photos are never changed.
#'
#' @param path the library's file.
#' @param create makes an empty library if there is none.
#' @param library a library.
#' @param folders folders, including their subfolders, or photos; none for those
#'   that were indexed before.
#' @param model analyses the photos; `NULL` for the MobileNet V1 in the package.
#' @param map_side side in pixels of the square that has the area at which
#'   photos are mapped; 0 for no map.
#' @param retry tries again the photos that could not be decoded.
#' @inheritParams lg_classify
#' @param query such as "school bus in the middle AND flower pot in the top left
#'   corner".
#' @param limit maximum number of photos.
#' @param min_probability of what counts as found, from 0 to 1; `NULL` for the
#'   library's own.
#' @returns `lg_library()`: an object of class `lg_library`, a list with `path`.
#'   `lg_index()`: a list with `counts` (named numbers of photos: `found`,
#'   `analysed`, `unchanged`, `failed`, ...) and `errors`, a line for each photo
#'   or folder that failed. `lg_search()`: a data frame of class `lg_hits` with
#'   the best photos, best first: `rank`, `photo`, `score` (0 to 1), `width`,
#'   `height` (pixels), `taken` (the camera's time); its attribute `total` is the
#'   number of all photos that match, and its attribute `matches` a data frame of
#'   what was found in them: `rank` and `photo` as above, `name`, `synset`,
#'   `asked` (the name in the query), the box `left`, `top`, `right`, `bottom` in
#'   pixels (`NA` for the photo as a whole), `probability`, `share` of the photo
#'   and `score`.
#' @examples
#' library <- lg_library(tempfile(fileext = ".lgn"), create = TRUE)
#' lg_index(library, system.file("extdata", package = "lorgnette"))$counts
#' lg_search(library, "cat in the middle")
#' @export
lg_library <- function(path, create = FALSE) {
  path <- check_path(path)
  create <- check_flag(create)
  native(open_library(path, create))
  structure(list(path = path), class = "lg_library")
}

check_library <- function(library, call = sys.call(-1)) {
  if (!inherits(library, "lg_library")) {
    abort("`library` must be a library: lg_library() opens one", call)
  }
  library$path
}

#' @export
print.lg_library <- function(x, ...) {
  cat(sprintf("<lg_library \"%s\": %g photos>\n", x$path, native(open_library(x$path, FALSE))))
  invisible(x)
}

#' @rdname lg_library
#' @export
lg_index <- function(library, folders = character(), model = NULL, map_side = 640,
                     retry = FALSE, reduced = FALSE, max_pixels = NULL, progress = FALSE) {
  path <- check_library(library)
  if (length(folders)) {
    folders <- path.expand(check_texts(folders))
  }
  native_model <- check_model(if (is.null(model)) lg_model(precision = "auto") else model)
  options <- open_options(FALSE, reduced, max_pixels)
  options$map_side <- check_count(map_side, least = 0, null = FALSE)
  options$retry <- check_flag(retry)
  bar <- progress_bar(progress)
  result <- native(index_photos(path, as.character(folders), native_model, options, bar))
  list(counts = unlist(result$counts), errors = result$errors)
}

#' @rdname lg_library
#' @export
lg_search <- function(library, query, limit = 20, min_probability = NULL) {
  path <- check_library(library)
  query <- check_text(query)
  options <- list(
    limit = check_count(limit, null = FALSE),
    min_probability = check_number(min_probability, 0, 1)
  )
  result <- native(search_photos(path, query, options))
  hits <- as_frame(result$photos, "lg_hits")
  attr(hits, "total") <- result$total
  attr(hits, "matches") <- as_frame(result$matches)
  hits
}

#' @export
print.lg_hits <- function(x, ...) {
  shown <- x
  class(shown) <- "data.frame"
  if (all(is.na(shown$taken))) shown$taken <- NULL
  print(shown, ...)
  total <- attr(x, "total")
  if (!is.null(total) && total > nrow(x)) cat(nrow(x), "of", total, "photos that match\n")
  invisible(x)
}
