# The nested bootstrap of tests/data/reference/nested_bootstrap.csv: every step of a shrunk Cox model taken anew in each
# resample, by R's own functions. Run from the root of the repository:
#   Rscript tests/statistics/r/nested_bootstrap.R
# R 4.2.2, survival 3.5-3, rms 6.5-0, riskRegression 2022.11.28; 2026-11-30.
#
# Outer resamples: the first lines of data/boot_idx_syn200.csv (row numbers from 0). Inner resamples, for the factor
# of resample b (b = 0: the cohort itself): s = 1 + 7919 b, then s <- 16807 s mod (2^31 - 1) for every number; a number is
# floor(n s / (2^31 - 1)), n of them are one inner resample, INNER inner resamples follow each other.

suppressMessages({library(survival); library(rms); library(riskRegression)})
OUTER <- c(5, 25); INNER <- 40 # the first 5 outer resamples, and all 25
FOLDER <- "tests/data/reference"
EXACT <- coxph.control(eps = 1e-13, toler.chol = 1e-14, iter.max = 60)
THRESHOLDS <- c(0.1, 0.2, 0.3, 0.45)

inner_rows <- function(b, n) {
  s <- 1 + 7919 * b
  drawn <- integer(INNER * n)
  for (i in seq_along(drawn)) {
    s <- (16807 * s) %% 2147483647
    drawn[i] <- floor(n * s / 2147483647)
  }
  matrix(drawn + 1L, nrow = INNER, byrow = TRUE)
}

fitted <- function(d, x) # NULL without a finite fit, of which coxph warns
  tryCatch(coxph(Surv(d$time, d$event) ~ x, control = EXACT), warning = function(w) NULL, error = function(e) NULL)

steps <- function(d, x, b, times) {
  beta <- coef(fitted(d, x))
  rows <- inner_rows(b, nrow(d))
  slopes <- unlist(lapply(seq_len(INNER), function(k) {
    again <- fitted(d[rows[k, ], ], x[rows[k, ], ])
    if (is.null(again)) return(NULL)
    coef(fitted(d, matrix(x %*% coef(again))))
  }))
  factor <- min(1, mean(slopes))
  lp <- as.vector(x %*% (factor * beta))
  base <- coxph(Surv(d$time, d$event) ~ lp, init = 1, control = coxph.control(iter.max = 0))
  at_zero <- summary(survfit(base, newdata = data.frame(lp = 0)), times = times)$surv
  list(beta = factor * beta, factor = factor, hazard = -log(as.vector(at_zero)))
}

net_benefit <- function(d, risk, t, threshold) {
  happened <- function(part) 1 - summary(survfit(Surv(time, event) ~ 1, data = part), times = t, extend = TRUE)$surv
  gain <- function(share, p) share * (p - (1 - p) * threshold / (1 - threshold))
  above <- risk >= threshold
  all <- gain(1, happened(d))
  if (!any(above)) return(0 - all)
  if (max(d$time[above]) < t) return(NA)
  gain(mean(above), happened(d[above, ])) - all
}

name <- function(quantity, time = "", at = "") paste(quantity, time, at, ".", sep = "|")

performance <- function(d, x, model, times) {
  lp <- round(as.vector(x %*% model$beta), 10)
  risk <- 1 - exp(-outer(exp(lp), model$hazard))
  knots <- quantile(lp, c(0.1, 0.5, 0.9))
  spline <- if (all(diff(knots) > 0)) rcspline.eval(lp, knots = knots, inclx = TRUE) else matrix(lp)
  smooth <- coxph(Surv(d$time, d$event) ~ spline, control = EXACT)
  observed <- 1 - t(summary(survfit(smooth, newdata = list(spline = spline)), times = times)$surv)
  score <- Score(list(m = risk), formula = Surv(time, event) ~ 1, data = d, times = times,
                 metrics = c("auc", "brier"), summary = "ipa", cens.model = "km", se.fit = FALSE, null.model = TRUE)
  brier <- score$Brier$score
  out <- c(
    unname(coef(coxph(Surv(d$time, d$event) ~ lp, control = EXACT))),
    unname(concordance(Surv(d$time, d$event) ~ lp, reverse = TRUE)$concordance)
  )
  names(out) <- c(name("slope"), name("concordance"))
  for (k in seq_along(times)) {
    t <- times[k]
    out[name("auc", t)] <- score$AUC$score[model == "m" & times == t]$AUC
    out[name("ipa", t)] <- brier[model == "m" & times == t]$IPA
    out[name("ici", t)] <- mean(abs(observed[, k] - risk[, k]))
    for (threshold in THRESHOLDS) out[name("benefit", t, threshold)] <- net_benefit(d, risk[, k], t, threshold)
  }
  out
}

mean_of_enough <- function(rows) { # NA where fewer than four in five resamples have a value
  means <- colMeans(rows, na.rm = TRUE)
  means[colMeans(!is.na(rows)) < 0.8] <- NA
  means
}

validated <- function(name, d, x) {
  times <- 1:3
  most <- max(OUTER)
  outer_rows <- as.matrix(read.csv(file.path(FOLDER, "data/boot_idx_syn200.csv"), header = FALSE))[seq_len(most), ] + 1
  outer_rows <- outer_rows[, seq_len(nrow(d))]
  served <- steps(d, x, 0, times)
  apparent <- performance(d, x, served, times)
  inside <- outside <- NULL
  for (b in seq_len(most)) {
    rows <- sort(outer_rows[b, ])
    model <- steps(d[rows, ], x[rows, ], b, times)
    inside <- rbind(inside, performance(d[rows, ], x[rows, ], model, times))
    outside <- rbind(outside, performance(d, x, model, times))
  }
  parts <- do.call(rbind, strsplit(names(apparent), "|", fixed = TRUE))
  by_number <- lapply(OUTER, function(number) {
    first <- seq_len(number)
    data.frame(dataset = name, outer = number, quantity = parts[, 1], time = parts[, 2], at = parts[, 3], apparent = apparent,
               inside = mean_of_enough(inside[first, ]), outside = mean_of_enough(outside[first, ]),
               corrected = apparent - mean_of_enough((inside - outside)[first, ]))
  })
  factor <- data.frame(dataset = name, outer = "", quantity = "factor", time = "", at = "", apparent = served$factor,
                       inside = NA, outside = NA, corrected = NA)
  rbind(factor, do.call(rbind, by_number))
}

demo <- read.csv(file.path(FOLDER, "data/demo_reconstructed_200.csv"))
syn <- read.csv(file.path(FOLDER, "data/imnm_syn200.csv"))
rows <- rbind(
  validated("demo200", data.frame(time = demo$time_years, event = demo$event),
            as.matrix(demo[, c("cardiac", "ana_high", "refractory", "drr_high")])),
  validated("syn200", data.frame(time = syn$time_days / 365.25, event = syn$event),
            cbind(syn$cardiac, syn$ana_high, syn$refractory, log2(syn$drr)))
)
numbers <- c("apparent", "inside", "outside", "corrected")
rows[numbers] <- lapply(rows[numbers], function(v) ifelse(is.na(v), "", sprintf("%.15g", v)))
write.csv(rows, file.path(FOLDER, "nested_bootstrap.csv"), row.names = FALSE, quote = FALSE)
