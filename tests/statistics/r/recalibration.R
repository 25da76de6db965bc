# The steps of recalibration in new patients: tests/data/reference/recalibration.csv.
# Rscript tests/statistics/r/recalibration.R tests/data/reference
# Made on 2026-11-30 with R 4.2.2, survival 3.5-3.
#
# A model is fitted in one data set and its baseline hazard kept at 1, 2 and 3 years, linear in between. In the other
# data set: glm (Poisson, the expected count as offset) gives the level, coxph the partial likelihood with the linear
# predictor as given (offset), times a slope, and with all log hazard ratios free.
library(survival)
folder <- commandArgs(TRUE)[1]
data <- function(name) read.csv(file.path(folder, "data", name))
tight <- coxph.control(eps = 1e-14, toler.chol = 1e-15, iter.max = 100)

demo200 <- within(data("demo_reconstructed_200.csv"), time <- time_years)
syn200 <- within(data("imnm_syn200.csv"), {
  time <- time_days / 365.25
  drr_high <- as.numeric(drr > 1.73)
})
rotterdam5 <- data("rotterdam5.csv")
gbsg5 <- data("gbsg5.csv")
pairs <- list(
  list("demo200", "syn200", c("cardiac", "ana_high", "refractory", "drr_high")),
  list("rotterdam5", "gbsg5", c("size_20_50", "size_gt50", "nodes2", "nodes3", "grade3"))
)

rows <- list()
for (pair in pairs) {
  old <- get(pair[[1]])
  new <- get(pair[[2]])
  names <- pair[[3]]
  keep <- function(quantity, term, at, value)
    rows[[length(rows) + 1]] <<- data.frame(developed_on = pair[[1]], dataset = pair[[2]], quantity, term, at,
                                            value = format(value, digits = 16))
  formula <- reformulate(names, "Surv(time, event)")
  fit <- coxph(formula, data = old, ties = "efron", control = tight)
  hazard <- basehaz(fit, centered = FALSE)
  at <- sapply(1:3, function(t) max(hazard$hazard[hazard$time <= t]))
  for (j in seq_along(names)) keep("given_coef", names[j], 0, unname(coef(fit)[j]))
  for (t in 1:3) keep("given_cumhaz", "", t, at[t])
  x <- as.matrix(new[, names])
  new$lp <- as.vector(x %*% coef(fit))
  lambda <- approx(c(0, 1:3), c(0, at), pmin(new$time, 3))$y * exp(new$lp)
  d <- as.numeric(new$event == 1 & new$time <= 3)
  level <- glm(d ~ offset(log(lambda)), family = poisson, control = glm.control(epsilon = 1e-14, maxit = 100))
  keep("observed", "", 3, sum(d))
  keep("expected", "", 3, sum(lambda))
  keep("log_ratio", "", 3, unname(coef(level)))
  keep("se_log_ratio", "", 3, unname(sqrt(vcov(level)[1, 1])))
  in_level <- 2 * (as.numeric(logLik(level)) - sum(dpois(d, lambda, log = TRUE)))
  keep("chi_square_of_level", "", 0, in_level)
  given <- coxph(Surv(time, event) ~ lp, data = new, ties = "efron", init = 1,
                 control = coxph.control(iter.max = 0))
  slope <- coxph(Surv(time, event) ~ lp, data = new, ties = "efron", control = tight)
  whole <- coxph(formula, data = new, ties = "efron", control = tight)
  keep("loglik", "in the large", 0, given$loglik[2])
  keep("loglik", "intercept and slope", 0, slope$loglik[2])
  keep("loglik", "refit", 0, whole$loglik[2])
  keep("slope", "", 0, unname(coef(slope)))
  keep("se_slope", "", 0, sqrt(slope$var[1, 1]))
  for (j in seq_along(names)) keep("refit_coef", names[j], 0, unname(coef(whole)[j]))
  chi <- c(in_level, 0, 0) + 2 * (whole$loglik[2] - c(given$loglik[2], given$loglik[2], slope$loglik[2]))
  degrees <- c(1 + length(names), length(names), length(names) - 1)
  steps <- c("nothing", "in the large", "intercept and slope")
  for (i in 1:3) {
    keep("chi_square_against_refit", steps[i], degrees[i], chi[i])
    keep("p_against_refit", steps[i], degrees[i], pchisq(chi[i], degrees[i], lower.tail = FALSE))
  }
  zero <- function(fit) {
    h <- basehaz(fit, centered = FALSE)
    sapply(1:3, function(t) max(h$hazard[h$time <= t]))
  }
  for (t in 1:3) {
    keep("cumhaz", "in the large", t, zero(given)[t])
    keep("cumhaz", "intercept and slope", t, zero(slope)[t])
    keep("cumhaz", "refit", t, zero(whole)[t])
  }
}
write.csv(do.call(rbind, rows), file.path(folder, "recalibration.csv"), row.names = FALSE, quote = FALSE)
