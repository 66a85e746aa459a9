#' Opens a model
#'
#' @param name the path of a model: a TF-Slim checkpoint (V1 or V2, such as
#'   `vgg_16.ckpt`, whose network is recognised by its variables), a frozen
#'   graph (.pb), a SavedModel, a Keras, TensorFlow Lite or ONNX file, or a
#'   folder that [lg_train()] wrote; or the name of a published model that
#'   `lorgnette models pull` has fetched. `NULL` is the MobileNet V1 in the
#'   package (1001 ImageNet classes).
#' @param size height and width of the network's input in pixels; `NULL` for
#'   the model's own.
#' @param preprocess the preprocessing from photo to network input: one of
#'   "vgg", "inception", "inception_2015", "lenet", "cifarnet", "none" (0 to
#'   255), "unit" (0 to 1), "symmetric" (-1 to 1), "caffe", "torch",
#'   "teachable_machine"; `NULL` for the model's own.
#' @param labels a file with the class names, one a line; `NULL` for the
#'   model's own.
#' @param input,output names of the input node and the output node; `NULL` if
#'   they are clear.
#' @param net the architecture of a checkpoint's network, such as "vgg_16";
#'   `NULL` if its variables tell.
#' @param checkpoint the checkpoint of a graph that is not frozen; `NULL` for
#'   the one in the same folder.
#' @param precision of products: "float32"; "bf16", which is less exact and
#'   faster on some CPUs; "auto" takes it where it is.
#' @param weights storage of fully connected weights: "float32", "bf16", "f16"
#'   or "int8"; all but the first are less exact.
#' @param threads number of threads; see [lorgnette-package].
#' @param memory_limit maximum bytes of activations of one run; `NULL` for 8
#'   GiB.
#' @returns An object of class `lg_model`: a list with `name`, the node names
#'   `input`, `logits`, `probabilities` and `features` (`NULL` where there is
#'   none), `size` (height and width in pixels), `preprocess`, `classes` (their
#'   number), `threads`, and `notes`, sentences about what was assumed.
#' @examples
#' model <- lg_model()
#' model
#' @export
lg_model <- function(name = NULL, size = NULL, preprocess = NULL, labels = NULL,
                     input = NULL, output = NULL, net = NULL, checkpoint = NULL,
                     precision = c("float32", "bf16", "auto"),
                     weights = c("float32", "bf16", "f16", "int8"),
                     threads = NULL, memory_limit = NULL) {
  name <- check_path(name, null = TRUE)
  if (!is.null(size)) {
    is_size <- is.numeric(size) && length(size) == 2L && all(is.finite(size)) &&
      all(size == round(size)) && all(size >= 1)
    if (!is_size) {
      abort("`size` must be two whole numbers, such as c(224, 224)", sys.call())
    }
    size <- as.double(size)
  }
  options <- list(
    size = size,
    preprocess = check_text(preprocess, null = TRUE),
    labels = check_path(labels, null = TRUE),
    input = check_text(input, null = TRUE),
    output = check_text(output, null = TRUE),
    net = check_text(net, null = TRUE),
    checkpoint = check_path(checkpoint, null = TRUE),
    precision = check_choice(precision, c("float32", "bf16", "auto")),
    weights = check_choice(weights, c("float32", "bf16", "f16", "int8")),
    memory_limit = check_count(memory_limit)
  )
  options <- c(options, thread_options(threads))
  native_model <- native(Model$new(options, name))
  facts <- native(native_model$facts())
  facts$notes <- as.character(facts$notes)
  structure(c(facts, native = native_model), class = "lg_model")
}

#' @export
print.lg_model <- function(x, ...) {
  cat(sprintf(
    "<lg_model \"%s\": %g x %g, %g classes>\n",
    x$name, x$size[[1L]], x$size[[2L]], x$classes
  ))
  for (note in x$notes) cat("note:", note, "\n")
  invisible(x)
}

#' Classes of a model
#'
#' @param model a model.
#' @returns A data frame with a row for each output of the network: `index`
#'   (from 1), `synset` (WordNet's, such as "n01440764"; `NA` where the classes
#'   have none), and `name`, one or several synonyms separated by commas.
#' @examples
#' head(lg_labels(lg_model()))
#' @export
lg_labels <- function(model) {
  native_model <- check_model(model)
  as_frame(native(native_model$labels()))
}

#' Nodes of a model
#'
#' @param model a model.
#' @returns The names of all nodes, which [lg_run()] can feed and fetch, as a
#'   character vector in the graph's order.
#' @examples
#' tail(lg_nodes(lg_model()))
#' @export
lg_nodes <- function(model) {
  native_model <- check_model(model)
  native(native_model$nodes())
}

#' The input of a network
#'
#' `lg_input()` computes what the network is fed for a photo; `lg_input_image()`
#' shows it as a picture, with the normalisation undone.
#'
#' @param model a model.
#' @param photo a photo; see [lorgnette-package].
#' @inheritParams lg_classify
#' @returns `lg_input()`: an array `[1, height, width, channels]` in the units
#'   of the network's preprocessing. `lg_input_image()`: an array `[height,
#'   width, 3]` from 0 to 1.
#' @examples
#' model <- lg_model()
#' photo <- system.file("extdata", "chelsea.jpg", package = "lorgnette")
#' range(lg_input(model, photo))
#' @export
lg_input <- function(model, photo, ignore_orientation = FALSE, reduced = FALSE,
                     max_pixels = NULL) {
  native_model <- check_model(model)
  options <- open_options(ignore_orientation, reduced, max_pixels)
  photo <- as_one_photo(photo)
  native(native_model$input(photo, options))
}

#' @rdname lg_input
#' @export
lg_input_image <- function(model, photo, ignore_orientation = FALSE, reduced = FALSE,
                           max_pixels = NULL) {
  native_model <- check_model(model)
  options <- open_options(ignore_orientation, reduced, max_pixels)
  photo <- as_one_photo(photo)
  native(native_model$input_image(photo, options))
}

#' Tensors in, tensors out
#'
#' Feeds and fetches any node of the network by TensorFlow's names, as
#' `sess$run()` does.
#'
#' Arrays keep their dimensions: an R array of dimensions `c(n, h, w, c)` is
#' TensorFlow's tensor of that shape, with the same element at the same
#' position. Values become 32-bit floats.
#'
#' **The batch dimension.** An array of three dimensions that is fed to the
#' model's own input (`model$input`) is one photo, `[height, width, channels]`,
#' as `jpeg::readJPEG()` gives it: it is fed as `[1, height, width, channels]`.
#' No other array gets or loses a dimension, and results always have their batch
#' dimension. Values are fed as they are: networks do not take pixels from 0 to
#' 1, but those of their preprocessing, which [lg_input()] gives.
#'
#' A vector without dimensions has one dimension. A single number without
#' dimensions is a setting, such as `is_training`. A node that decodes photos
#' (`DecodeJpeg/contents`) takes a path or a raw vector.
#'
#' @param model a model.
#' @param feeds a named list of arrays.
#' @param fetches names of nodes or tensors (":0" may be left out). All nodes
#'   have names in [lg_nodes()].
#' @returns A list of arrays, named as `fetches`.
#' @examples
#' model <- lg_model()
#' photo <- system.file("extdata", "chelsea.jpg", package = "lorgnette")
#' tensors <- lg_run(model, list(input = lg_input(model, photo)), model$probabilities)
#' probabilities <- tensors[[1]]
#' dim(probabilities)
#' lg_labels(model)$name[which.max(probabilities)]
#' @export
lg_run <- function(model, feeds, fetches) {
  native_model <- check_model(model)
  call <- sys.call()
  fetches <- check_texts(fetches)
  if (!is.list(feeds)) {
    feeds <- as.list(feeds)
  }
  if (length(feeds) && (is.null(names(feeds)) || !all(nzchar(names(feeds))))) {
    abort("`feeds` must be a list with a name for each value, such as list(input = x)", call)
  }
  if (anyDuplicated(names(feeds))) {
    abort(sprintf("`feeds` has two values named \"%s\"", names(feeds)[anyDuplicated(names(feeds))]), call)
  }
  feeds <- Map(function(value, name) as_feed(value, name, call), feeds, names(feeds))
  native(native_model$run(feeds, fetches))
}

as_feed <- function(value, name, call) {
  if (is.raw(value) || (is.character(value) && length(value) == 1L && !is.na(value))) {
    return(if (is.raw(value)) as.vector(value) else to_utf8(path.expand(value)))
  }
  if (is.data.frame(value)) {
    value <- as.matrix(value)
  }
  if (!is.numeric(value) && !is.logical(value)) {
    abort(sprintf("the value fed to \"%s\" is no array of numbers", name), call)
  }
  if (length(value) == 0L) {
    abort(sprintf("the value fed to \"%s\" is empty", name), call)
  }
  # NA and NaN are the same to a network, which would give NaN for them.
  if (any(is.na(value) & !is.nan(value))) {
    abort(sprintf("the value fed to \"%s\" has missing numbers (NA)", name), call)
  }
  if (is.null(dim(value))) as.double(value) else array(as.double(value), dim(value))
}

#' Writes a graph for TensorBoard
#'
#' Writes an event file with the graph into a folder: scopes as TF-Slim names
#' them, shapes on the edges, no weights. `tensorboard --logdir` shows it.
#'
#' @param model a model.
#' @param logdir the folder, which is made if it is not there.
#' @returns The path of the event file.
#' @examples
#' lg_write_graph(lg_model(), tempfile())
#' @export
lg_write_graph <- function(model, logdir) {
  native_model <- check_model(model)
  logdir <- check_path(logdir)
  native(native_model$write_graph(logdir))
}

#' Writes a model for TensorFlow or ONNX Runtime
#'
#' Writes the network to a file, and its class names beside it.
#'
#' @param model a model.
#' @param path the file; of a checkpoint, the prefix of its files.
#' @param format "onnx", "frozen" (a frozen GraphDef, .pb) or "checkpoint"
#'   (V2).
#' @param replace_labels replaces a file of other class names that is there.
#' @returns The path of the file.
#' @examples
#' lg_export(lg_model(), tempfile(fileext = ".pb"), "frozen")
#' @export
lg_export <- function(model, path, format = c("onnx", "frozen", "checkpoint"),
                      replace_labels = FALSE) {
  native_model <- check_model(model)
  path <- check_path(path)
  format <- check_choice(format, c("onnx", "frozen", "checkpoint"))
  replace_labels <- check_flag(replace_labels)
  native(native_model$export(path, format, replace_labels))
}

#' A checkpoint with random weights
#'
#' Writes a checkpoint (V2) of one of TF-Slim's networks in its real format,
#' with weights of the right shape made by a rule. Its answers mean nothing:
#' it is for trying out code where the trained weights are not at hand.
#'
#' @param net the network, such as "vgg_16" or "inception_v3".
#' @param path the prefix of the checkpoint's files, such as "vgg_16.ckpt".
#' @returns The path.
#' @examples
#' path <- lg_random_checkpoint("lenet", file.path(tempdir(), "lenet.ckpt"))
#' lg_model(path)
#' @export
lg_random_checkpoint <- function(net, path) {
  net <- check_text(net)
  path <- check_path(path)
  native(write_random_checkpoint(net, path))
}
