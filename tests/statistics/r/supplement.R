# The numbers of tests/data/reference/supplement.csv, from the data sets beside it.
# Run from the root of the project: Rscript tests/statistics/r/supplement.R
# R 4.2.2, survival 3.5-3, metafor 3.8-1, cmprsk 2.2-11, riskRegression 2022.11.28, Hmisc 4.8-0; 30 November 2026.
suppressPackageStartupMessages({library(survival); library(metafor); library(cmprsk)
  library(riskRegression); library(prodlim); library(splines)})
folder <- "tests/data/reference/"
rows <- list()
keep <- function(dataset, what, term, at, value)
  rows[[length(rows) + 1]] <<- data.frame(dataset, what, term, at, value = sprintf("%.15g", value))
of <- function(name) read.csv(paste0(folder, "data/", name, ".csv"))

syn <- of("imnm_syn200"); syn$time <- syn$time_days / 365.25; syn$log2_drr <- log2(syn$drr)
syn_x <- c("cardiac", "ana_high", "refractory", "log2_drr")
demo <- of("demo_reconstructed_200"); demo$time <- demo$time_years
demo_x <- c("cardiac", "ana_high", "refractory", "drr_high")
pbc <- of("pbc312"); pbc$time <- pbc$years; pbc$status <- pbc$status3
pbc$log_bili <- log(pbc$bili); pbc$log_protime <- log(pbc$protime); pbc$log_albumin <- log(pbc$albumin)
pbc_x <- c("age", "edema", "log_bili", "log_protime", "log_albumin")
five <- c("size_20_50", "size_gt50", "nodes2", "nodes3", "grade3")
rotterdam <- of("rotterdam5"); gbsg <- of("gbsg5")

model <- function(x, d, ...) coxph(as.formula(paste("Surv(time, event) ~", paste(x, collapse = "+"))), d,
  ties = "efron", control = coxph.control(eps = 1e-12, toler.chol = 1e-13, iter.max = 100), ...)

# Internal-external validation: leave out one centre, and pool over centres.
pool <- function(name, what, y, v) {
  fit <- rma(y, v, method = "REML", test = "knha", control = list(threshold = 1e-14, maxiter = 10000))
  reach <- qt(0.975, fit$k - 2) * sqrt(fit$tau2 + fit$se^2)
  out <- c(mean = fit$b[1], se = fit$se, low = fit$ci.lb, high = fit$ci.ub, tau_squared = fit$tau2,
           i_squared = fit$I2 / 100, q = fit$QE, p = fit$QEp,
           predicted_low = fit$b[1] - reach, predicted_high = fit$b[1] + reach)
  for (n in names(out)) keep(name, paste0("pooled_", what), n, NA, out[[n]])
}
centres <- function(name, d, x, k, t) {
  centre <- (seq_len(nrow(d)) - 1) %% k + 1
  found <- NULL
  for (i in 1:k) {
    others <- d[centre != i, ]; here <- d[centre == i, ]
    fit <- model(x, others)
    lp <- as.matrix(here[x]) %*% coef(fit)
    base <- survfit(fit, newdata = as.data.frame(as.list(setNames(rep(0, length(x)), x))))
    H <- -log(summary(base, times = t)$surv)
    risk <- 1 - exp(-H * exp(lp))
    here$score <- round(drop(lp), 10)
    C <- concordance(Surv(time, event) ~ score, here, reverse = TRUE)
    km <- summary(survfit(Surv(time, event) ~ 1, here), times = t)
    oe <- (1 - km$surv) / mean(risk); se_oe <- km$std.err / mean(risk)
    here$lp <- drop(lp); cal <- model("lp", here)
    one <- c(c = C$concordance[[1]], c_se = sqrt(C$var), expected = mean(risk), observed = 1 - km$surv,
             oe = oe, oe_se = se_oe, slope = coef(cal)[[1]], slope_se = sqrt(vcov(cal)[1]))
    for (n in names(one)) keep(name, "left_out", n, i, one[[n]])
    found <- rbind(found, one)
  }
  f <- as.data.frame(found)
  pool(name, "concordance", qlogis(f$c), (f$c_se / (f$c * (1 - f$c)))^2)
  pool(name, "observed_over_expected", log(f$oe), (f$oe_se / f$oe)^2)
  pool(name, "slope", f$slope, f$slope_se^2)
}
centres("rotterdam5", rotterdam, five, 5, 3)
centres("gbsg5", gbsg, five, 4, 3)
centres("syn200", syn, syn_x, 3, 2)
centres("demo200", demo, demo_x, 3, 2)

# Death competing: Fine and Gray by crr; Brier score by Score; the smooth calibration curve by crr on a spline.
competing <- function(name, d, x, times) {
  X <- as.matrix(d[x])
  gray <- crr(d$time, d$status, X, gtol = 1e-15, maxiter = 200)
  se <- sqrt(diag(gray$var))
  for (k in seq_along(x)) {
    keep(name, "fine_gray", x[k], NA, gray$coef[[k]]); keep(name, "fine_gray_se", x[k], NA, se[[k]])
  }
  cif <- predict(gray, X[1:3, ])
  for (t in times) for (i in 1:3) {
    at <- max(which(cif[, 1] <= t)); keep(name, "fine_gray_risk", paste0("row", i), t, cif[at, 1 + i])
  }
  d$event <- as.integer(d$status == 1)
  cox <- model(x, d)
  base <- survfit(cox, newdata = as.data.frame(as.list(setNames(rep(0, length(x)), x))))
  lp <- drop(X %*% coef(cox))
  for (t in times) {
    risk <- 1 - exp(-(-log(summary(base, times = t)$surv)) * exp(lp))
    scored <- Score(list(m = matrix(risk, ncol = 1)), Hist(time, status) ~ 1, data = d, times = t, cause = 1,
                    metrics = c("brier", "auc"), summary = "ipa", se.fit = TRUE)
    b <- as.data.frame(scored$Brier$score)
    keep(name, "brier", "value", t, b[b$model == "m", "Brier"]); keep(name, "brier", "se", t, b[b$model == "m", "se"])
    keep(name, "brier", "null", t, b[b$model == "Null model", "Brier"]); keep(name, "brier", "ipa", t, b[b$model == "m", "IPA"])
    aj <- survfit(Surv(time, factor(status)) ~ 1, d)
    keep(name, "observed", "aj", t, summary(aj, times = t)$pstate[1, 2])
    u <- log(-log1p(-pmin(pmax(risk, 1e-12), 1 - 1e-12)))
    spline <- Hmisc::rcspline.eval(u, knots = quantile(u, c(0.1, 0.5, 0.9)), inclx = TRUE, norm = 2)
    curve <- crr(d$time, d$status, spline, gtol = 1e-15, maxiter = 200)
    p <- predict(curve, spline)
    at <- max(which(p[, 1] <= t)); smooth <- p[at, -1]
    keep(name, "smooth", "ici", t, mean(abs(smooth - risk)))
    for (i in 1:5) keep(name, "smooth", paste0("row", i), t, smooth[i])
  }
}
competing("syn200", syn, syn_x, 1:3)
competing("pbc312", pbc, pbc_x, c(1, 2, 3, 5))

# Effects over time: scaled Schoenfeld residuals, their smooth with its band (as plot.cox.zph), hazard ratios by period.
over_time <- function(name, d, x, every) {
  fit <- model(x, d)
  z <- cox.zph(fit, transform = "km")
  for (k in seq_along(x)) for (i in seq(1, nrow(z$y), by = every)) keep(name, "residual", x[k], i, z$y[i, k])
  pred <- seq(min(z$x), max(z$x), length = 40)
  basis <- ns(c(pred, z$x), df = 4, intercept = TRUE)
  wanted <- basis[1:40, ]; q <- qr(basis[-(1:40), ])
  bk <- backsolve(q$qr[1:4, 1:4], diag(4)); xtx <- bk %*% t(bk)
  seval <- rowSums((wanted %*% xtx) * wanted)
  for (k in seq_along(x)) {
    yhat <- drop(wanted %*% qr.coef(q, z$y[, k])); half <- 2 * sqrt(z$var[k, k] * seval)
    for (i in c(1, 5, 10, 20, 30, 40)) {
      keep(name, "smooth_value", x[k], i, yhat[i]); keep(name, "smooth_low", x[k], i, (yhat - half)[i])
      keep(name, "smooth_high", x[k], i, (yhat + half)[i])
    }
  }
  d$row <- seq_len(nrow(d))
  split <- survSplit(Surv(time, event) ~ ., d[c("time", "event", "row", x)], cut = c(1, 2), episode = "period")
  all <- unlist(lapply(x, function(n) paste0("I(", n, " * (period == ", 1:3, "))")))
  formula <- as.formula(paste("Surv(tstart, time, event) ~", paste(all, collapse = "+")))
  pieces <- coxph(formula, split, ties = "efron", control = coxph.control(eps = 1e-12, toler.chol = 1e-13, iter.max = 100))
  co <- coef(pieces); se <- sqrt(diag(vcov(pieces)))
  n <- 0
  for (k in seq_along(x)) for (p in 1:3) {
    n <- n + 1; keep(name, "period", x[k], p, co[[n]]); keep(name, "period_se", x[k], p, se[[n]])
  }
}
over_time("demo200", demo, demo_x, 1)
over_time("syn200", syn, syn_x, 1)
over_time("rotterdam5", rotterdam, five, 100)
write.csv(do.call(rbind, rows), paste0(folder, "supplement.csv"), row.names = FALSE, na = "", quote = FALSE)
