# Compares what docs/tutorials/vgg16_in_r.Rmd computed with what the program does:
#   Rscript compare.R RESULTS.rds PROGRAM FOLDER
# The program gets the pixels that readJPEG() gave, as a PNG file, and must give the same numbers.
arguments <- commandArgs(trailingOnly = TRUE)
results <- readRDS(arguments[[1]])
photo <- file.path(arguments[[3]], "photo.png")
png::writePNG(results$pixels, photo)
table <- file.path(arguments[[3]], "program.csv")
code <- system2(
  arguments[[2]],
  shQuote(c("classify", photo, "--model", results$checkpoint, "--preprocess", "none", "--top", "1000", "--format", "csv")),
  stdout = table
)
stopifnot(code == 0)
theirs <- utils::read.csv(table, na.strings = "")
theirs <- theirs[order(theirs$index), ]
ours <- as.vector(results$logits)
stopifnot(length(ours) == 1000, identical(theirs$index, 0:999))

# The table has the shortest decimals that are these 32-bit floats.
as_float32 <- function(x) readBin(writeBin(x, raw(), size = 4), "numeric", length(x), size = 4)
difference <- max(abs(ours - as_float32(theirs$logit)))
softmax <- exp(ours) / sum(exp(ours))
of_probabilities <- max(abs(softmax - theirs$probability))
cat(sprintf(
  "the tutorial in R and the program: 1000 logits from %.4f to %.4f differ by at most %.2g, their probabilities by %.2g\n",
  min(ours), max(ours), difference, of_probabilities
))
stopifnot(
  difference <= 1e-6, of_probabilities <= 1e-6, diff(range(ours)) > 1e-3,
  identical(results$idx[[1]], theirs$index[which.max(theirs$logit)] + 1L)
)
