// Package report presents the results of a study.
//
// It averages the scores, computes confidence intervals, and writes tables, figures, a summary in
// words and one HTML page with all of them. It does not read pictures or run models.
package report
