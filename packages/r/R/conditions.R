# Conditions: errors of the class lorgnette_error, and checks of arguments.

abort <- function(message, call) {
  stop(structure(
    class = c("lorgnette_error", "error", "condition"),
    list(message = message, call = call)
  ))
}

# Evaluates a call of native code. Its errors get the class lorgnette_error and
# the call of the function that the user called.
native <- function(expr, call = sys.call(-1)) {
  force(call)
  tryCatch(expr, error = function(error) {
    message <- conditionMessage(error)
    if (grepl("already consumed or deleted", message, fixed = TRUE)) {
      message <- "this object is from another session of R: make it again, such as by lg_model()"
    }
    abort(message, call)
  })
}

# Native code reads UTF-8. A path that is none would become an empty one.
to_utf8 <- function(x) {
  x <- enc2utf8(x)
  if (!all(validUTF8(x))) {
    abort("a text is not valid in its encoding: give it as UTF-8", sys.call(-1))
  }
  x
}

check_text <- function(x, null = FALSE, call = sys.call(-1)) {
  name <- deparse(substitute(x))
  if (null && is.null(x)) {
    return(NULL)
  }
  if (!is.character(x) || length(x) != 1L || is.na(x)) {
    abort(sprintf("`%s` must be one text", name), call)
  }
  to_utf8(x)
}

check_path <- function(x, null = FALSE, call = sys.call(-1)) {
  name <- deparse(substitute(x))
  if (null && is.null(x)) {
    return(NULL)
  }
  if (!is.character(x) || length(x) != 1L || is.na(x) || !nzchar(x)) {
    abort(sprintf("`%s` must be one path", name), call)
  }
  to_utf8(path.expand(x))
}

check_texts <- function(x, call = sys.call(-1)) {
  name <- deparse(substitute(x))
  if (!is.character(x) || length(x) == 0L || anyNA(x)) {
    abort(sprintf("`%s` must be texts, at least one, none of them missing", name), call)
  }
  to_utf8(x)
}

check_choice <- function(x, choices, call = sys.call(-1)) {
  name <- deparse(substitute(x))
  if (identical(x, choices)) {
    return(choices[[1L]])
  }
  if (!is.character(x) || length(x) != 1L || !x %in% choices) {
    abort(sprintf("`%s` must be one of %s", name, paste(dQuote(choices, FALSE), collapse = ", ")), call)
  }
  x
}

check_flag <- function(x, call = sys.call(-1)) {
  name <- deparse(substitute(x))
  if (!is.logical(x) || length(x) != 1L || is.na(x)) {
    abort(sprintf("`%s` must be TRUE or FALSE", name), call)
  }
  x
}

check_count <- function(x, least = 1, null = TRUE, call = sys.call(-1)) {
  name <- deparse(substitute(x))
  if (null && is.null(x)) {
    return(NULL)
  }
  is_whole <- is.numeric(x) && length(x) == 1L && is.finite(x) && x == round(x)
  if (!is_whole || x < least || x > 2^52) {
    abort(sprintf("`%s` must be one whole number, at least %g", name, least), call)
  }
  as.double(x)
}

check_number <- function(x, least, most, null = TRUE, call = sys.call(-1)) {
  name <- deparse(substitute(x))
  if (null && is.null(x)) {
    return(NULL)
  }
  if (!is.numeric(x) || length(x) != 1L || is.na(x) || x < least || x > most) {
    abort(sprintf("`%s` must be one number from %g to %g", name, least, most), call)
  }
  as.double(x)
}

check_model <- function(model, call = sys.call(-1)) {
  if (!inherits(model, "lg_model")) {
    abort("`model` must be a model: lg_model() opens one", call)
  }
  model$native
}

# Number of threads that is asked for, and the limit that R's checks and the
# environment set; NULL where there is none.
thread_options <- function(threads, call = sys.call(-1)) {
  if (is.null(threads)) {
    threads <- getOption("lorgnette.threads")
  }
  limit <- NULL
  if (tolower(Sys.getenv("_R_CHECK_LIMIT_CORES_", "false")) != "false") {
    limit <- 2
  }
  stated <- suppressWarnings(as.numeric(Sys.getenv("OMP_THREAD_LIMIT", "")))
  if (!is.na(stated) && stated >= 1) {
    limit <- min(limit, floor(stated))
  }
  list(threads = check_count(threads, call = call), thread_limit = limit)
}

# A function that shows a bar, or NULL.
progress_bar <- function(progress, call = sys.call(-1)) {
  progress <- check_flag(progress, call = call)
  if (!progress) {
    return(NULL)
  }
  bar <- NULL
  function(done, total) {
    if (is.null(bar) && total > 0) {
      bar <<- utils::txtProgressBar(max = total, style = 3, file = stderr())
    }
    if (!is.null(bar)) {
      utils::setTxtProgressBar(bar, done)
      if (done >= total) close(bar)
    }
    invisible()
  }
}
