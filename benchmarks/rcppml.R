# Factorizes a matrix that lies in files with RcppML 0.3, as often as it is asked to.
# Arguments: folder rows columns non-zeros(-1: dense)
# The files hold A by rows (values float32, indices and pointers int32); here that is the transpose of A by columns.
# A line "rank seed iterations" asks for a factorization; a line "cpu_s wall_s iterations added_kib" answers, and the
# factors lie in the files w, d and h.
arguments <- commandArgs(TRUE)
folder <- arguments[1]
number <- as.integer(arguments[-1])
rows <- number[1]; columns <- number[2]; nonzeros <- number[3]

suppressPackageStartupMessages({library(Matrix); library(RcppML)})
setRcppMLthreads(1)
from_file <- function(name, what, count) readBin(file.path(folder, name), what, n = count, size = 4)
to_file <- function(values, name) writeBin(as.vector(values), file.path(folder, name))

if (nonzeros < 0) {
  transposed <- matrix(from_file("values", "numeric", rows * columns), nrow = columns)
} else {
  transposed <- new("dgCMatrix", x = from_file("values", "numeric", nonzeros),
                    i = from_file("indices", "integer", nonzeros),
                    p = from_file("pointers", "integer", rows + 1), Dim = c(columns, rows))
}
process_kib <- function(field) {
  lines <- tryCatch(readLines("/proc/self/status"), error = function(e) character(), warning = function(w) character())
  line <- grep(paste0("^", field, ":"), lines, value = TRUE)
  if (length(line)) as.numeric(gsub("[^0-9]", "", line)) else NA
}
forget_peak <- function() {
  failed <- function(e) FALSE
  tryCatch({cat("5", file = "/proc/self/clear_refs"); TRUE}, error = failed, warning = failed)
}

factorize <- function(rank, seed, iterations) {
  invisible(gc())
  known <- forget_peak()
  before_kib <- process_kib("VmRSS")
  begun <- proc.time()
  model <- nmf(transposed, rank, tol = 0, maxit = iterations, verbose = FALSE, seed = seed)
  taken <- proc.time() - begun
  added_kib <- if (known) process_kib("VmHWM") - before_kib else NA
  to_file(model$w, "w"); to_file(model$d, "d"); to_file(model$h, "h")
  c(sum(taken[1:2]), taken[3], model$iter, added_kib)
}

asked <- file("stdin", "r")
while (length(line <- readLines(asked, n = 1))) {
  said <- do.call(factorize, as.list(as.integer(strsplit(line, " ")[[1]])))
  cat(format(said, digits = 15, trim = TRUE), "\n")
  flush(stdout())
}
