# Landmark (conditional) baselines of a Cox model: tests/data/reference/landmarks.csv.
# Rscript tests/statistics/r/landmarks.R tests/data/reference
# Made on 2026-11-30 with R 4.2.2, survival 3.5-3.
#
# coxph gives the fit, survfit(start.time = L) the survival of those who reached the landmark L, with its standard error.
# "shrunk" has the log hazard ratios times 0.8, held fixed (iter.max = 0), and their variance times 0.64.
library(survival)
folder <- commandArgs(TRUE)[1]
data <- function(name) read.csv(file.path(folder, "data", name))

syn200 <- within(data("imnm_syn200.csv"), {
  time <- time_days / 365.25
  drr_high <- as.numeric(drr > 1.73)
})[, c("time", "event", "cardiac", "ana_high", "refractory", "drr_high")]
pbc312 <- within(data("pbc312.csv"), {
  time <- years
  age10 <- (age - 50) / 10
  log_bili <- log(bili)
  log_protime <- log(protime / 10)
  log_albumin <- log(albumin / 3.5)
})[, c("time", "event", "age10", "edema", "log_bili", "log_protime", "log_albumin")]

rows <- list()
keep <- function(dataset, fit, days, quantity, term, at, value)
  rows[[length(rows) + 1]] <<- data.frame(dataset, fit, days, quantity, term, at, value = format(value, digits = 16))

for (name in c("syn200", "pbc312")) {
  d <- get(name)
  p <- ncol(d) - 2
  whole <- coxph(Surv(time, event) ~ ., data = d, ties = "efron", x = TRUE,
                 control = coxph.control(eps = 1e-14, toler.chol = 1e-15, iter.max = 100))
  for (kind in c("as fitted", "shrunk")) {
    fit <- whole
    if (kind == "shrunk") {
      fit <- coxph(Surv(time, event) ~ ., data = d, ties = "efron", x = TRUE, init = 0.8 * coef(whole),
                   control = coxph.control(iter.max = 0))
      fit$var <- 0.64 * whole$var
    }
    for (j in seq_len(p)) keep(name, kind, 0, "coef", names(coef(fit))[j], 0, unname(coef(fit)[j]))
    cells <- rbind(rep(0, p), diag(p), rep(1, p))
    for (days in c(365, 730, 1095)) {
      since <- days / 365.25
      keep(name, kind, days, "at_risk", "", 0, sum(d$time > since))
      keep(name, kind, days, "recurrences", "", 0, sum(d$event == 1 & d$time > since & d$time <= since + 3))
      if (max(d$time) < since + 3) next
      for (i in seq_len(nrow(cells))) {
        new <- as.data.frame(t(cells[i, ]))
        names(new) <- names(coef(fit))
        s <- summary(survfit(fit, newdata = new, start.time = since), times = since + 1:3)
        for (year in 1:3) {
          term <- paste(cells[i, ], collapse = "")
          keep(name, kind, days, "cumhaz", term, year, s$cumhaz[year])
          keep(name, kind, days, "se_log_cumhaz", term, year, (s$std.err / s$surv / s$cumhaz)[year])
        }
      }
    }
  }
}
write.csv(do.call(rbind, rows), file.path(folder, "landmarks.csv"), row.names = FALSE, quote = FALSE)
