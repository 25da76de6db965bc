# Cox models on restricted cubic splines (rms::rcs, survival::coxph): coefficients, log likelihood, and the curve.
# Rscript tests/statistics/r/splines.R, in the folder of the project. Writes tests/data/reference/spline_numbers.csv.
suppressMessages({library(survival); library(rms)})
FOLDER <- "tests/data/reference"

spline <- function(name, data, u, other, nk) {
  basis <- rcspline.eval(u, nk = nk, inclx = TRUE)
  knots <- attr(basis, "knots")
  fit <- coxph(Surv(data$time, data$event) ~ basis + other, control = coxph.control(eps = 1e-11, iter.max = 50))
  at <- quantile(u, c(.05, .25, .75, .95))
  from <- sweep(rcspline.eval(at, knots, inclx = TRUE), 2, rcspline.eval(c(median(u), at), knots, inclx = TRUE)[1, ])
  q <- ncol(basis)
  row <- function(quantity, term, value) data.frame(dataset = name, knots = nk, quantity, term, value)
  rbind(
    row("knot", seq_along(knots), knots),
    row("coef", seq_len(q + 1), coef(fit)),
    row("se", seq_len(q + 1), sqrt(diag(vcov(fit)))),
    row("loglik", "null", fit$loglik[1]),
    row("loglik", "fit", fit$loglik[2]),
    row("curve", c("0.05", "0.25", "0.75", "0.95"), as.vector(from %*% coef(fit)[1:q])),
    row("curve_se", c("0.05", "0.25", "0.75", "0.95"), sqrt(rowSums((from %*% vcov(fit)[1:q, 1:q]) * from))))
}

pbc <- read.csv(file.path(FOLDER, "data", "pbc312.csv")); pbc$time <- pbc$years
lung <- read.csv(file.path(FOLDER, "data", "lung.csv"))
numbers <- rbind(
  spline("pbc312", pbc, log(pbc$bili), pbc$age, 4),
  spline("pbc312", pbc, log(pbc$bili), pbc$age, 3),
  spline("lung", lung, lung$age, lung$ph_ecog, 4),
  spline("lung", lung, lung$age, lung$ph_ecog, 3))
numbers$value <- sprintf("%.17g", numbers$value)
out <- file.path(FOLDER, "spline_numbers.csv")
writeLines(sprintf("# %s, survival %s, rms %s, %s; tests/statistics/r/splines.R", R.version.string,
  packageVersion("survival"), packageVersion("rms"), Sys.Date()), out)
suppressWarnings(write.table(numbers, out, sep = ",", row.names = FALSE, quote = FALSE, append = TRUE))
