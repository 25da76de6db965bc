# Completed sets by R's mice, the Cox model of each, and their pooled results; then the same from many more sets.
# Rscript tests/statistics/r/imputed_cox.R, in the folder of the project. Writes data/imputed_*.csv and
# imputation_numbers.csv below tests/data/reference.
suppressMessages({library(survival); library(mice)})
FOLDER <- "tests/data/reference"

complete_and_pool <- function(name, data, predictors, methods, many) {
  data$hazard <- nelsonaalen(data, time, event)
  columns <- c(predictors, "event", "hazard")
  method <- setNames(rep("", length(columns)), columns)
  method[names(methods)] <- methods
  frame <- data[columns]
  for (binary in names(methods)[methods == "logreg"]) frame[[binary]] <- factor(frame[[binary]])
  fit <- function(set) {
    for (p in predictors) set[[p]] <- as.numeric(as.character(set[[p]]))
    coxph(as.formula(paste("Surv(data$time, data$event) ~", paste(predictors, collapse = " + "))), data = set)
  }
  fits_of <- function(m, seed) {
    imputed <- mice(frame, m = m, maxit = 10, method = method, seed = seed, printFlag = FALSE)
    stopifnot(is.null(imputed$loggedEvents))
    list(imputed = imputed, fits = lapply(seq_len(m), function(i) fit(mice::complete(imputed, i))))
  }
  few <- fits_of(20, 20260301)
  cells <- do.call(rbind, lapply(names(methods), function(column) {
    values <- few$imputed$imp[[column]]
    do.call(rbind, lapply(seq_along(values), function(i) data.frame(
      set = i, row = as.integer(rownames(values)), column = column,
      value = as.numeric(as.character(values[[i]])))))
  }))
  cells$value <- sprintf("%.17g", cells$value)
  write.csv(cells, file.path(FOLDER, "data", paste0("imputed_", name, ".csv")), row.names = FALSE, quote = FALSE)
  pooled <- pool(few$fits)$pooled
  hazards <- sapply(few$fits, function(f) log(approx(basehaz(f, centered = FALSE)$time, basehaz(f, centered = FALSE)$hazard,
    quantile(data$time, c(.25, .5, .75)), method = "constant")$y))
  row <- function(quantity, term, value) data.frame(dataset = name, quantity, term, value)
  lots <- fits_of(many, 7)
  coefs <- sapply(lots$fits, coef)
  within <- rowMeans(sapply(lots$fits, function(f) diag(vcov(f))))
  rbind(
    row("coef", predictors, pooled$estimate),
    row("se", predictors, sqrt(pooled$t)),
    row("df", predictors, pooled$df),
    row("fmi", predictors, pooled$fmi),
    row("log_hazard", c("0.25", "0.5", "0.75"), rowMeans(hazards)),
    row("many_coef", predictors, rowMeans(coefs)),
    row("many_between", predictors, apply(coefs, 1, var)),
    row("many_within", predictors, within),
    row("many", "sets", many))
}

syn <- read.csv(file.path(FOLDER, "data", "imnm_syn200_missing.csv"))
syn$time <- syn$time_days / 365.25
syn$drr_high <- as.integer(syn$drr > 1.73)
lung <- read.csv(file.path(FOLDER, "data", "lung.csv"))
# every third sex is taken out, so that a binary column has gaps here too
lung$sex <- lung$sex - 1
lung$sex[seq(3, nrow(lung), 3)] <- NA
lung$time <- lung$time / 365.25

numbers <- rbind(
  complete_and_pool("syn200", syn, c("cardiac", "ana_high", "refractory", "drr_high"),
    c(cardiac = "logreg", ana_high = "logreg", drr_high = "logreg"), 300),
  complete_and_pool("lung", lung, c("age", "sex", "ph_ecog", "wt_loss"),
    c(sex = "logreg", wt_loss = "norm"), 300))
numbers$value <- sprintf("%.17g", numbers$value)
out <- file.path(FOLDER, "imputation_numbers.csv")
writeLines(sprintf("# %s, survival %s, mice %s, %s; tests/statistics/r/imputed_cox.R", R.version.string,
  packageVersion("survival"), packageVersion("mice"), Sys.Date()), out)
suppressWarnings(write.table(numbers, out, sep = ",", row.names = FALSE, quote = FALSE, append = TRUE))
