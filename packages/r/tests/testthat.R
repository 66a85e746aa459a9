library(testthat)
library(lorgnette)

test_check("lorgnette")
